import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { packageFile } from '../src/lib/paths.ts';
import { recordedBoot } from './criticalPath.ts';
import { executable, nodeName, paths, serviceProcesses, servicePrograms } from './node.ts';
import { runitStarts, supervisordLog } from './peerFiles.ts';
import type { PeerKind } from './peerFiles.ts';

/** A way to bring the node up. */
export interface Competitor {
  readonly name: string;
  readonly argv: readonly [string, ...string[]];
  /**
   * When its time begins: with its process, or, for a peer, when that prints the time at which it started the supervisor,
   * with everything that it needs in place.
   */
  readonly timeBegins: 'with the process' | 'when printed';
  /** Whether it creates the certificates itself: a cold start then begins without them. */
  readonly ownCertificates: boolean;
  readonly isOurs: boolean;
  /** Whether it restarts a service that is killed. */
  readonly restarts: boolean;
  /** The parts in which it takes part. */
  readonly takesPartIn: 'all' | 'cold' | 'load';
  /** How many services ended since the start, although they should run on. Call it while the node is up. */
  readonly failedSpawns: () => Promise<number>;
}

const self = {
  argv: [executable, 'up', '--name', nodeName, '--no-install', '--output', 'plain'],
  timeBegins: 'with the process',
  isOurs: true,
  restarts: true,
  failedSpawns: async () => {
    const { events } = await recordedBoot();
    return events.filter(({ type }) => type === 'exited').length;
  },
} as const;

const peer = (name: string, kind: PeerKind, failedSpawns: Competitor['failedSpawns']): Competitor => ({
  name,
  argv: [process.execPath, join(import.meta.dirname, 'peer.js'), kind],
  timeBegins: 'when printed',
  ownCertificates: false,
  isOurs: false,
  restarts: kind !== 'script',
  takesPartIn: 'all',
  failedSpawns,
});

const peerDir = join(paths.run, 'peer');

export const ours = 'k8s-single';
const script = 'sleep script';
export const supervisord = 'supervisord';

export const competitors: readonly Competitor[] = [
  { name: ours, ...self, ownCertificates: true, takesPartIn: 'all' },
  { name: `${ours}, certificates there`, ...self, ownCertificates: false, takesPartIn: 'cold' },
  {
    name: `${ours}, usual limits of the kubelet`,
    ...self,
    argv: [...self.argv, '--config', packageFile('bench/usualLimits.yaml')],
    ownCertificates: true,
    takesPartIn: 'load',
  },
  // The script starts each service once: those that are missing have failed.
  peer(script, 'script', async () => servicePrograms.length - (await serviceProcesses()).length),
  peer(supervisord, 'supervisord', async () => {
    const log = await readFile(supervisordLog(peerDir), 'utf8');
    return [...log.matchAll(/ (?:exited|spawnerr): /g)].length;
  }),
  peer('runit', 'runit', async () => {
    const starts = await readFile(runitStarts(peerDir), 'utf8');
    return starts.trim().split('\n').length - servicePrograms.length;
  }),
];

/** A competitor that is running. */
export interface RunningCompetitor {
  /** ms since the epoch. */
  readonly startedAt: number;
  /** Sends SIGTERM and resolves with the time until the process and its whole node are gone, in ms. */
  readonly stop: () => Promise<number>;
}

/** Starts a competitor. @throws Error with its stderr if it exits before its time has begun */
export async function start({
  argv: [file, ...args],
  timeBegins,
  name,
}: Competitor): Promise<RunningCompetitor> {
  const spawnedAt = Date.now();
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-4000)));
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout });
  const printed = once(lines, 'line').then(([line]): number => {
    const message: { startedAt: number } = JSON.parse(String(line));
    return message.startedAt;
  });
  const failed = exited.then(() => {
    throw new Error(`${name} exited:\n${stderr}`);
  });
  failed.catch(() => undefined);
  printed.catch(() => undefined);
  const startedAt = timeBegins === 'with the process' ? spawnedAt : await Promise.race([printed, failed]);
  const stop = async (): Promise<number> => {
    if (child.exitCode !== null) throw new Error(`${name} exited before it was stopped:\n${stderr}`);
    const signalledAt = Date.now();
    child.kill('SIGTERM');
    await exited;
    return Date.now() - signalledAt;
  };
  return { startedAt, stop };
}
