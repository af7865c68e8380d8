import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { runitStarts, supervisordLog } from './peerFiles.ts';
import type { PeerKind } from './peerFiles.ts';
import { recordedBoot } from './ideal.ts';
import { nodeName, paths, program } from './place.ts';
import { running, services } from './services.ts';

/** A way to bring the node up. */
export interface Contestant {
  readonly name: string;
  readonly argv: readonly [string, ...string[]];
  /** When the time begins: with our process, or when it says that the peer starts, after all is there that it needs. */
  readonly begins: 'with the process' | 'when told';
  /** Cold means without certificates, too. */
  readonly ownCertificates: boolean;
  readonly isOurs: boolean;
  /** Whether what is killed comes back. */
  readonly restarts: boolean;
  /** In which parts: in all, or in the cold start alone. */
  readonly plays: 'all' | 'cold';
  /** How many processes had ended since the start, of those that were to run on. Ask it while the node is up. */
  readonly failedSpawns: () => Promise<number>;
}

const folder = import.meta.dirname;
const own = {
  argv: [program, 'up', '--name', nodeName, '--no-install', '--output', 'plain'],
  begins: 'with the process',
  isOurs: true,
  restarts: true,
  failedSpawns: async () => {
    const { events } = await recordedBoot();
    return events.filter(({ type }) => type === 'exited').length;
  },
} as const;

const peer = (name: string, kind: PeerKind, failedSpawns: Contestant['failedSpawns']): Contestant => ({
  name,
  argv: [process.execPath, join(folder, 'peer.js'), kind],
  begins: 'when told',
  ownCertificates: false,
  isOurs: false,
  restarts: kind !== 'script',
  plays: 'all',
  failedSpawns,
});

const peerDir = join(paths.run, 'peer');

export const ours = 'k8s-single';
export const script = 'sleep script';
export const supervisord = 'supervisord';

export const contestants: readonly Contestant[] = [
  { name: ours, ...own, ownCertificates: true, plays: 'all' },
  { name: `${ours}, certificates there`, ...own, ownCertificates: false, plays: 'cold' },
  // The script starts each once: what is not there any more has failed.
  peer(script, 'script', async () => services.length - (await running()).length),
  peer(supervisord, 'supervisord', async () => {
    const log = await readFile(supervisordLog(peerDir), 'utf8');
    return [...log.matchAll(/ (?:exited|spawnerr): /g)].length;
  }),
  peer('runit', 'runit', async () => {
    const starts = await readFile(runitStarts(peerDir), 'utf8');
    return starts.trim().split('\n').length - services.length;
  }),
];

/** A contestant that was started. */
export interface Started {
  /** ms since the epoch. */
  readonly startedAt: number;
  /** Sends SIGTERM and resolves with the time until it and all of the node are gone, in ms. */
  readonly stop: () => Promise<number>;
}

/** Rejects with what it said when it ends before it has started. */
export async function start({ argv: [file, ...args], begins, name }: Contestant): Promise<Started> {
  const began = Date.now();
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-4000)));
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout });
  const told = once(lines, 'line').then(([line]): number => {
    const begun: { startedAt: number } = JSON.parse(String(line));
    return begun.startedAt;
  });
  const failed = exited.then(() => {
    throw new Error(`${name} ended:\n${said}`);
  });
  failed.catch(() => undefined);
  told.catch(() => undefined);
  const startedAt = begins === 'with the process' ? began : await Promise.race([told, failed]);
  const stop = async (): Promise<number> => {
    if (child.exitCode !== null) throw new Error(`${name} had ended:\n${said}`);
    const stopped = Date.now();
    child.kill('SIGTERM');
    await exited;
    return Date.now() - stopped;
  };
  return { startedAt, stop };
}
