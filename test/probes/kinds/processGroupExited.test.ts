import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { processGroupExited } from '../../../probes/kinds/processGroupExited.ts';
import { Unhealthy, type Probe } from '../../../probes/probe.ts';
import { until } from '../../../probes/until.ts';
import { never, pass, reason } from '../../fixtures/probes/looks.ts';
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

test('names who still runs, and passes when nobody does', async () => {
  const { pid } = await group('sleep 1000 & echo up; wait');
  const why = await reason(processGroupExited(pid));
  expect(why).toMatch(/^still running: \w+ \(pid \d+\), \w+ \(pid \d+\)$/);
  expect(why).toContain(`sh (pid ${pid})`);
  process.kill(-pid, 'SIGKILL');
  await until(processGroupExited(pid), { timeoutMs: 15_000 }, never());
});

test('a leader that is gone while others run on is not enough', async () => {
  const { child, pid } = await group('sleep 1000 & echo up');
  if (child.exitCode === null) await once(child, 'exit');
  expect(await reason(processGroupExited(pid))).toMatch(/^still running: \w+ \(pid \d+\)$/);
});

test('zombies count as gone: only their parent could remove them', async () => {
  // A child in a group of its own, dead, of a parent that has become a sleep and never waits for it.
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

test('is asked of a whole group, never of everybody', () => {
  for (const pgid of [0, 1, -5, 1.5, Number.NaN]) {
    expect(() => processGroupExited(pgid)).toThrow(new Error(`not a process group: ${pgid}`));
  }
});

test('a name made to look like a line of /proc fools nobody', async () => {
  const liar = join(folder(), 'x) Z 1 1');
  copyFileSync('/bin/sh', liar);
  const child = await group(`exec "${liar}" -c 'echo up; sleep 1000; true'`);
  expect(await reason(processGroupExited(child.pid))).toContain(`x) Z 1 1 (pid ${child.pid})`);
});

test('a group that never was', async () => {
  await pass(processGroupExited(2 ** 22 - 1));
});
