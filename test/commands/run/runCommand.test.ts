import { once } from 'node:events';
import { expect, it } from 'vitest';
import { runCommand } from '../../../src/commands/run/runCommand.ts';
import type { Signals } from '../../../src/lib/signals.ts';

/** Signals that the test raises. */
function testSignals(): Pick<Signals, 'handleWith'> & { raise: (signal: NodeJS.Signals) => void } {
  let handler: (signal: NodeJS.Signals) => void = () => undefined;
  return { handleWith: (handle) => (handler = handle), raise: (signal) => handler(signal) };
}

const env = {};
const never = new AbortController().signal;

it('returns the exit code of the command, or 128 + signal', async () => {
  const run = async (script: string) =>
    runCommand(['sh', '-c', script], { env: { CODE: '3' }, signals: testSignals(), signal: never });
  expect(await run('true')).toBe(0);
  expect(await run('exit $CODE')).toBe(3);
  expect(await run('kill -KILL $$')).toBe(137);
});

it('returns the exit code of a shell for a command that does not exist or is not executable', async () => {
  expect(await runCommand(['no-such-command'], { env, signals: testSignals(), signal: never })).toBe(127);
  expect(await runCommand(['/etc/passwd'], { env, signals: testSignals(), signal: never })).toBe(126);
});

it('forwards the first signal and kills the command on the second', async () => {
  const signals = testSignals();
  const trapped = once(process, 'SIGUSR1');
  const ended = runCommand(['sh', '-c', 'trap "" TERM; kill -USR1 $PPID; exec sleep 1000'], {
    env,
    signals,
    signal: never,
  });
  await trapped;
  signals.raise('SIGTERM');
  signals.raise('SIGTERM');
  expect(await ended).toBe(137);
});

it('sends SIGTERM to the command when its node is gone', async () => {
  const nodeGone = new AbortController();
  const ended = runCommand(['sleep', '1000'], { env, signals: testSignals(), signal: nodeGone.signal });
  nodeGone.abort();
  expect(await ended).toBe(143);
});
