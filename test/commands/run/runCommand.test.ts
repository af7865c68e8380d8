import { once } from 'node:events';
import { expect, it } from 'vitest';
import { runCommand } from '../../../src/commands/run/runCommand.ts';
import type { Signals } from '../../../src/lib/signals.ts';

/** Signals that the test gives. */
function hand(): Pick<Signals, 'handleWith'> & { give: (signal: NodeJS.Signals) => void } {
  let handler: (signal: NodeJS.Signals) => void = () => undefined;
  return { handleWith: (handle) => (handler = handle), give: (signal) => handler(signal) };
}

const env = {};
const never = new AbortController().signal;

it('passes the exit code through, and what a shell makes of a signal', async () => {
  const run = async (script: string) =>
    runCommand(['sh', '-c', script], { env: { CODE: '3' }, signals: hand(), signal: never });
  expect(await run('true')).toBe(0);
  expect(await run('exit $CODE')).toBe(3);
  expect(await run('kill -KILL $$')).toBe(137);
});

it('says what a shell says of a command that is not there, or is no program', async () => {
  expect(await runCommand(['no-such-command'], { env, signals: hand(), signal: never })).toBe(127);
  expect(await runCommand(['/etc/passwd'], { env, signals: hand(), signal: never })).toBe(126);
});

it('passes on the first signal and ends the command at the second', async () => {
  const signals = hand();
  const trapped = once(process, 'SIGUSR1');
  const ended = runCommand(['sh', '-c', 'trap "" TERM; kill -USR1 $PPID; exec sleep 1000'], {
    env,
    signals,
    signal: never,
  });
  await trapped;
  signals.give('SIGTERM');
  signals.give('SIGTERM');
  expect(await ended).toBe(137);
});

it('asks the command to end when what it works with is gone', async () => {
  const gone = new AbortController();
  const ended = runCommand(['sleep', '1000'], { env, signals: hand(), signal: gone.signal });
  gone.abort();
  expect(await ended).toBe(143);
});
