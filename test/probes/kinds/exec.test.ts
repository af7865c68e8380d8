import { readFileSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { expect, onTestFinished, test } from 'vitest';
import { exec } from '../../../probes/kinds/exec.ts';
import { file } from '../../../probes/kinds/file.ts';
import { probeOnce } from '../../../probes/probeOnce.ts';
import { Unhealthy, type Probe } from '../../../probes/probe.ts';
import { until } from '../../../probes/until.ts';
import { never, pass, reason } from '../../fixtures/probes/attempts.ts';
import { folder } from '../../fixtures/probes/servers.ts';

const sh = (script: string, options = {}) => exec(['sh', '-c', script], options);
const soon = { timeoutMs: 15_000 };

/** Passes when no process listed in the file runs. */
function allExited(path: string): Probe {
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

test('arguments are passed unchanged', async () => {
  await pass(exec(['test', 'a  b "c" $HOME', '=', 'a  b "c" $HOME']));
});

test.each([
  ['exit 3', 'sh exited with 3'],
  ['echo first >&2; echo last words >&2; exit 1', 'sh exited with 1: last words'],
  ['printf "  \\033[31mred\\n\\n" >&2; exit 1', 'sh exited with 1: [31mred'],
  ['kill -TERM $$', 'sh was killed by SIGTERM'],
])('the reason is its exit and its last line on stderr: %s', async (script, expected) => {
  expect(await reason(sh(script))).toBe(expected);
});

test('20 MB on stderr or stdout', async () => {
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

test('runs in the given folder with the given environment', async () => {
  const cwd = folder();
  await pass(sh('test "$PWD" = "$WANTED" && test -n "$PATH"', { cwd, env: { WANTED: cwd } }));
});

test('an abort interrupts it immediately and kills its process group', async () => {
  const pids = `${folder()}/pids`;
  const stop = new AbortController();
  const attempt = probeOnce(sh(`trap "" TERM; sleep 1000 & echo $$ $! > ${pids}; wait`), 60_000, stop.signal);
  const rejected = expect(attempt).rejects.toBe('over');
  await until(file(pids, { notEmpty: true }), soon, never());
  stop.abort('over');
  await rejected;
  await until(allExited(pids), soon, never());
});

test('a process of its group that outlives it is killed', async () => {
  const pids = `${folder()}/pids`;
  await pass(sh(`sleep 1000 & echo $! > ${pids}`));
  await until(allExited(pids), soon, never());
});

test('a process outside the group that holds stderr open does not block the attempt', async () => {
  const pids = `${folder()}/pids`;
  onTestFinished(() => {
    process.kill(Number(readFileSync(pids, 'utf8')), 'SIGKILL');
  });
  await pass(sh(`setsid sh -c 'echo $$ > ${pids}; exec sleep 1000' & until test -s ${pids}; do :; done`));
});

test('an aborted signal: not started', async () => {
  const path = `${folder()}/f`;
  await expect(exec(['touch', path])(AbortSignal.abort('over'))).rejects.toBe('over');
  expect(await reason(file(path))).toContain('does not exist');
});
