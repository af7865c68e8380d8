import { readFileSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { expect, onTestFinished, test } from 'vitest';
import { exec } from '../../../probes/kinds/exec.ts';
import { file } from '../../../probes/kinds/file.ts';
import { probeOnce } from '../../../probes/probeOnce.ts';
import { Unhealthy, type Probe } from '../../../probes/probe.ts';
import { until } from '../../../probes/until.ts';
import { never, pass, reason } from '../../fixtures/probes/looks.ts';
import { folder } from '../../fixtures/probes/servers.ts';

const sh = (script: string, options = {}) => exec(['sh', '-c', script], options);
const soon = { timeoutMs: 15_000 };

/** The processes listed in the file run no more. */
function allEnded(path: string): Probe {
  return async () => {
    for (const pid of readFileSync(path, 'utf8').trim().split(' ')) {
      const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => 'State: gone');
      if (!/^State:\s*(?:gone|Z|X)/m.test(status)) throw new Unhealthy(`${pid} still runs`);
    }
  };
}

test('passes when the command exits 0', async () => {
  await pass(sh('echo out; echo err >&2'));
  await pass(exec(['true']));
});

test('arguments reach it as they are', async () => {
  await pass(exec(['test', 'a  b "c" $HOME', '=', 'a  b "c" $HOME']));
});

test.each([
  ['exit 3', 'sh exited with 3'],
  ['echo first >&2; echo last words >&2; exit 1', 'sh exited with 1: last words'],
  ['printf "  \\033[31mred\\n\\n" >&2; exit 1', 'sh exited with 1: [31mred'],
  ['kill -TERM $$', 'sh was killed by SIGTERM'],
])('the reason is how it ended and its last line on stderr: %s', async (script, expected) => {
  expect(await reason(sh(script))).toBe(expected);
});

test('a flood on stderr or stdout does no harm', async () => {
  const flood = 'head -c 20000000 /dev/zero | tr "\\0" x';
  expect(await reason(sh(`${flood}; ${flood} >&2; echo >&2; echo end >&2; exit 4`))).toBe(
    'sh exited with 4: end',
  );
});

test('a command that cannot be started', async () => {
  expect(await reason(exec(['/no/such/command']))).toBe('command not found: /no/such/command');
  const path = `${folder()}/f`;
  writeFileSync(path, '#!/bin/sh\n', { mode: 0o600 });
  expect(await reason(exec([path]))).toBe(`not executable: ${path}`);
});

test('runs in the folder and with the environment asked for', async () => {
  const cwd = folder();
  await pass(sh('test "$PWD" = "$WANTED" && test -n "$PATH"', { cwd, env: { WANTED: cwd } }));
});

test('an abort ends it at once and kills its process group', async () => {
  const pids = `${folder()}/pids`;
  const stop = new AbortController();
  const looking = probeOnce(sh(`trap "" TERM; sleep 1000 & echo $$ $! > ${pids}; wait`), 60_000, stop.signal);
  const ended = expect(looking).rejects.toBe('over');
  await until(file(pids, { notEmpty: true }), soon, never());
  stop.abort('over');
  await ended;
  await until(allEnded(pids), soon, never());
});

test('what it leaves running in its group is killed', async () => {
  const pids = `${folder()}/pids`;
  await pass(sh(`sleep 1000 & echo $! > ${pids}`));
  await until(allEnded(pids), soon, never());
});

test('a process that left the group and holds stderr open does not hold up the look', async () => {
  const pids = `${folder()}/pids`;
  onTestFinished(() => {
    process.kill(Number(readFileSync(pids, 'utf8')), 'SIGKILL');
  });
  await pass(sh(`setsid sh -c 'echo $$ > ${pids}; exec sleep 1000' & until test -s ${pids}; do :; done`));
});

test('aborted before: it is not started', async () => {
  const path = `${folder()}/f`;
  await expect(exec(['touch', path])(AbortSignal.abort('over'))).rejects.toBe('over');
  expect(await reason(file(path))).toContain('does not exist');
});
