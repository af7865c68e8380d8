import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Unhealthy } from '../probes/probe.ts';
import { until } from '../probes/until.ts';
import { debianRoot } from '../test/config/debianRoot.ts';
import { descendants } from '../test/support/processes.ts';
import { peerPackages, writePeer } from './peerFiles.ts';
import type { PeerKind } from './peerFiles.ts';
import { scratch } from './scratch.ts';

/** runsvdir takes no more services than these (runsvdir.c, MAXSERVICES), and starts all at once. */
export const peerSizes: readonly number[] = [100, 1000];

/** Those that supervise what they start. */
export const enginePeers = ['supervisord', 'runit'] as const satisfies readonly PeerKind[];

const signal = new AbortController().signal;

/** The processor time that the peer takes until as many `sleep inf` run under it, its own start included, in ms. */
export async function cpuOfPeer(kind: PeerKind, count: number): Promise<number> {
  const { root, path, env } = await debianRoot(peerPackages);
  const dir = await scratch();
  const programs = Array.from({ length: count }, (_, i) => ({
    name: `c${i}`,
    argv: ['sleep', 'inf'] as const,
  }));
  const command = await writePeer(kind, programs, { dir, logs: dir });
  // Of its Debian packages nothing is installed.
  const [file = '', ...args] = command.map((word) => (word.startsWith('/usr/') ? join(root, word) : word));
  const child = spawn(file, args, {
    stdio: 'ignore',
    env: {
      ...process.env,
      ...env,
      PATH: `${path}:${process.env['PATH']}`,
      PYTHONPATH: join(root, 'usr/lib/python3/dist-packages'),
    },
  });
  const ended = once(child, 'exit');
  try {
    const allRun = async (): Promise<void> => {
      const run = (await descendants(child.pid ?? 0)).filter(isProgram).length;
      if (run < count) throw new Unhealthy(`${run} of ${count} run`);
    };
    await until(allRun, { timeoutMs: 120_000 }, signal);
    const own = (await descendants(child.pid ?? 0)).filter((each) => !isProgram(each));
    const spent = await Promise.all([child.pid ?? 0, ...own.map(({ pid }) => pid)].map(cpuMsOf));
    return spent.reduce((sum, each) => sum + each, 0);
  } finally {
    const all = await descendants(child.pid ?? 0);
    child.kill('SIGTERM');
    await ended;
    // runit's end a moment later than what started them.
    const gone = async (): Promise<void> => {
      const left = all.filter(({ pid }) => existsSync(`/proc/${pid}`)).length;
      if (left > 0) throw new Unhealthy(`${left} are still there`);
    };
    await until(gone, { timeoutMs: 120_000 }, signal);
    await rm(dir, { recursive: true });
  }
}

const isProgram = ({ command }: { command: string }): boolean => command === 'sleep inf';

/** Of its first thread: supervisord and runsv have no other. In `stat` there are hundredths of a second, more than a runsv takes. */
async function cpuMsOf(pid: number): Promise<number> {
  // The first field, in ns (sched-stats.rst).
  const [ran] = (await readFile(`/proc/${pid}/schedstat`, 'utf8')).split(' ');
  return Number(ran) / 1e6;
}
