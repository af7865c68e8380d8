import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { describeNode } from '../../../src/observe/state/describe.ts';
import { replay } from '../../../src/observe/state/state.ts';
import { notReadyLines, statusOf } from '../../../src/observe/state/status.ts';
import { usageSampler } from '../../../src/observe/state/usage.ts';
import { statusTable } from '../../../src/observe/terminal/statusTable.ts';
import { begin, crashLoop, goodBoot, stages } from '../boots.ts';

const names = stages.map(({ name }) => name);
const plain = (_colour: string, text: string): string => text;
const usage = new Map([[11, { memoryBytes: 50 * 1024 * 1024, cpuMs: 1500, cpuPercent: 12.34 }]]);

describe('status', () => {
  it('is JSON of version 1', () => {
    const status = statusOf('default', replay(names, goodBoot), usage, begin + 10_000);
    expect(status).toMatchObject({
      version: 1,
      name: 'default',
      at: '2026-01-01T00:00:10.000Z',
      ready: true,
      state: 'ready',
    });
    expect(status.components[1]).toEqual({
      name: 'etcd',
      state: 'ready',
      since: '2026-01-01T00:00:00.800Z',
      restarts: 0,
      reason: null,
      pid: 11,
      timeToReadyMs: 490,
      memoryBytes: 52_428_800,
      cpuMs: 1500,
      cpuPercent: 12.34,
    });
  });

  it('is a table no wider than the terminal', () => {
    const status = statusOf('default', replay(names, crashLoop.slice(0, 13)), usage, begin + 2000);
    expect(status).toMatchObject({ ready: false, state: 'starting' });
    expect(statusTable(status, 100, plain)).toEqual([
      'COMPONENT  STATE     SINCE  RESTARTS  PID  MEMORY     CPU',
      'pki        ready     1.7 s         0    -       -       -',
      'etcd       ready     1.2 s         0   11  50 MiB  12.3 %',
      'apiserver  down      1.0 s         0    -       -       -  exited with code 1: bad flag: --x',
      'kubelet    starting  1.7 s         0   12       -       -',
      'node       waiting   2.0 s         0    -       -       -  waiting for apiserver, kubelet',
    ]);
    expect(statusTable(status, 75, plain)[3]).toBe(
      'apiserver  down      1.0 s         0    -       -       -  exited with cod…',
    );
    for (const columns of [20, 57, 58, 75]) {
      expect(Math.max(...statusTable(status, columns, plain).map((line) => line.length))).toBeLessThanOrEqual(
        columns,
      );
    }
  });

  it('has a line for each component that is not ready', () => {
    expect(notReadyLines(replay(names, crashLoop.slice(0, 11)), begin + 2000)).toEqual([
      'apiserver starting: connect ECONNREFUSED 127.0.0.1:6443',
      'kubelet starting',
      'node waiting for apiserver, kubelet',
    ]);
    expect(notReadyLines(replay(names, goodBoot), begin)).toEqual([]);
  });
});

describe('usage', () => {
  it('covers the whole process group', async () => {
    const script = `const keep = Buffer.alloc(64 << 20, 1);
      while (process.cpuUsage().user < 300_000);
      const child = require('child_process').spawn(process.execPath, ['-e', 'console.log(process.pid); setInterval(() => 0, 1e6)'], { stdio: ['ignore', 'inherit', 'inherit'] });
      setInterval(() => keep, 1e6)`;
    const leader = spawn(process.execPath, ['-e', script], {
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await once(leader.stdout, 'data');
      const pid = leader.pid!;
      const sample = usageSampler();
      const [used, unknown] = await sample([pid, 2 ** 22]).then((all) => [all.get(pid), all.get(2 ** 22)]);
      expect(used?.memoryBytes).toBeGreaterThan(64 << 20);
      expect(used?.cpuMs).toBeGreaterThanOrEqual(250);
      expect(used?.cpuPercent).toBeGreaterThan(0);
      expect(unknown).toBeUndefined();
      expect((await sample([pid])).get(pid)?.cpuPercent).toBe(used?.cpuPercent);
    } finally {
      process.kill(-leader.pid!, 'SIGKILL');
      await once(leader, 'close');
    }
  });
});

describe('the status for systemd', () => {
  const at = begin + 2000;
  const event = { component: 'kubelet', at };

  it('names what the node waits for, and why', () => {
    const events = [
      { ...event, type: 'starting', attempt: 1, pid: 7 } as const,
      { ...event, type: 'probing', reason: 'connection\nrefused' } as const,
    ];
    expect(describeNode(replay(['kubelet'], events), at)).toBe('waiting for kubelet (connection refused)');
  });

  it('names what has failed, and why', () => {
    const events = [{ ...event, type: 'failed', reason: 'it crashes' } as const];
    expect(describeNode(replay(['kubelet', 'node'], events), at)).toBe('failed: kubelet (it crashes)');
  });

  it('is ready, and the table names the unit', () => {
    const state = replay(names, goodBoot);
    expect(describeNode(state, at)).toBe('ready');
    const status = { ...statusOf('default', state, usage, at), unit: 'k8s-single.service' };
    expect(statusTable(status, 80, plain).at(-1)).toBe('run by the systemd unit k8s-single.service');
  });
});
