import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { processGroupExited } from '../../../probes/kinds/processGroupExited.ts';
import { Unhealthy, type Probe } from '../../../probes/probe.ts';
import { until } from '../../../probes/until.ts';
import { never, pass, reason } from '../../fixtures/probes/attempts.ts';
import { folder } from '../../fixtures/probes/servers.ts';

/** A process group that has written its first line. */
async function group(script: string) {
  const child = spawn('sh', ['-c', script], { detached: true, stdio: ['ignore', 'pipe', 'inherit'] });
  const { pid } = child;
  if (pid === undefined) throw new Error('sh did not start');
  onTestFinished(() => killGroup(pid));
  const [line] = await once(child.stdout.setEncoding('utf8'), 'data');
  return { child, pid, firstLine: String(line).trim() };
}

function killGroup(pgid: number): void {
  try {
    process.kill(-pgid, 'SIGKILL');
  } catch (error) {
    // The test may have ended it already.
    expect(error).toHaveProperty('code', 'ESRCH');
  }
}

test('names the processes that run, and passes when there are none', async () => {
  const { pid } = await group('sleep 1000 & echo up; wait');
  const why = await reason(processGroupExited(pid));
  expect(why).toMatch(/^still running: \w+ \(pid \d+\), \w+ \(pid \d+\)$/);
  expect(why).toContain(`sh (pid ${pid})`);
  process.kill(-pid, 'SIGKILL');
  await until(processGroupExited(pid), { timeoutMs: 15_000 }, never());
});

test('fails if the leader has exited and others have not', async () => {
  const { child, pid } = await group('sleep 1000 & echo up');
  if (child.exitCode === null) await once(child, 'exit');
  expect(await reason(processGroupExited(pid))).toMatch(/^still running: \w+ \(pid \d+\)$/);
});

test('a zombie counts as exited: only its parent can remove it', async () => {
  // The child exits in a group of its own. Its parent has become a sleep and never waits for it.
  const child = 'setsid sh -c "until grep -qx sleep /proc/$$/comm; do :; done"';
  const parent = await group(`${child} & echo $!; exec sleep 1000`);
  const pgid = Number(parent.firstLine);
  const isZombie: Probe = async () => {
    const status = await readFile(`/proc/${pgid}/status`, 'utf8');
    if (!/^State:\s+Z/m.test(status)) throw new Unhealthy(`not a zombie yet: ${status}`);
  };
  await until(isZombie, { timeoutMs: 15_000 }, never());
  expect(process.kill(-pgid, 0)).toBe(true);
  await pass(processGroupExited(pgid));
});

test('refuses anything but the ID of a process group', () => {
  for (const pgid of [0, 1, -5, 1.5, Number.NaN]) {
    expect(() => processGroupExited(pgid)).toThrow(new Error(`not a process group: ${pgid}`));
  }
});

test('a program name that looks like the fields of /proc/PID/stat', async () => {
  const program = join(folder(), 'x) Z 1 1');
  copyFileSync('/bin/sh', program);
  const child = await group(`exec "${program}" -c 'echo up; sleep 1000; true'`);
  expect(await reason(processGroupExited(child.pid))).toContain(`x) Z 1 1 (pid ${child.pid})`);
});

test('a group that does not exist', async () => {
  await pass(processGroupExited(2 ** 22 - 1));
});
