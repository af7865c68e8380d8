import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { purge } from '../src/instance/purge.ts';
import type { NodeConfig } from '../src/config/schema/node.ts';
import { watchBoot } from './boot.ts';
import type { Boot } from './boot.ts';
import { start } from './contestants.ts';
import type { Contestant } from './contestants.ts';
import { ideal } from './ideal.ts';
import type { Ideal } from './ideal.ts';
import { nodeAddress } from './look.ts';
import { paths } from './place.ts';
import { running } from './services.ts';

/** What can be measured. */
export const parts = ['cold', 'warm', 'down', 'recovery'] as const;

/** One boot of one contestant. Times in ms. */
interface BootSample extends Boot {
  readonly failedSpawns: number;
  /** When the first of the node's services was started. */
  readonly firstProcess: number;
  /** Of k8s-single alone. */
  readonly ideal?: Ideal;
}

/** What one contestant did in one round. Times in ms; Infinity for what never came. */
export interface Sample {
  readonly contestant: string;
  /** Whether what is killed comes back. */
  readonly restarts: boolean;
  readonly round: number;
  readonly cold?: BootSample;
  readonly warm?: BootSample;
  readonly down?: number;
  readonly recovery?: Readonly<Record<string, number>>;
}

/** Takes the node up and down as often as the wanted parts need, and leaves nothing running. */
export async function session(
  contestant: Contestant,
  { round, wanted, config }: { round: number; wanted: ReadonlySet<string>; config: NodeConfig },
  signal: AbortSignal,
): Promise<Sample> {
  const boot = async (pod: string) => {
    const { startedAt, stop } = await start(contestant);
    const sample = await orStop(stop, async () => {
      const seen = await watchBoot({ startedAt, config, pod }, signal);
      const failedSpawns = await contestant.failedSpawns();
      const starts = (await running()).map((each) => each.startedAt - startedAt);
      // The kernel's hundredths are rounded down.
      const firstProcess = Math.max(0, Math.min(...starts));
      const own = contestant.isOurs ? { ideal: await ideal(startedAt, seen) } : {};
      return { ...seen, failedSpawns, firstProcess, ...own };
    });
    return { sample, stop };
  };
  const isWhole = contestant.plays === 'all';
  const { name, restarts } = contestant;
  await makeCold(contestant);
  const cold = await boot('first');
  const recovery =
    isWhole && wanted.has('recovery') && restarts
      ? { recovery: await orStop(cold.stop, async () => recoveries(signal)) }
      : {};
  const down = await cold.stop();
  const sample = { contestant: name, restarts, round, cold: cold.sample, ...recovery };
  if (!isWhole) return sample;
  if (!wanted.has('warm')) return wanted.has('down') ? { ...sample, down } : sample;
  const warm = await boot('second');
  // This node has not been hurt by what was killed.
  return { ...sample, warm: warm.sample, down: await warm.stop() };
}

/** What runs when its measurement fails, or is interrupted, is not left behind. */
async function orStop<Result>(
  stop: () => Promise<unknown>,
  measured: () => Promise<Result>,
): Promise<Result> {
  try {
    return await measured();
  } catch (error) {
    await stop();
    throw error;
  }
}

async function recoveries(signal: AbortSignal): Promise<Record<string, number>> {
  const [inside] = await running();
  if (inside === undefined) throw new Error('none of the node runs');
  const program = join(import.meta.dirname, 'recovery.js');
  const address = await nodeAddress(10_000, signal);
  const enter = [`--net=/proc/${inside.pid}/ns/net`, process.execPath, program, address];
  const { stdout } = await execa('nsenter', enter, { cancelSignal: signal });
  const times: Record<string, number | null> = JSON.parse(stdout);
  return Object.fromEntries(Object.entries(times).map(([name, ms]) => [name, ms ?? Infinity]));
}

/** Removes what the node before has left. */
async function makeCold({ ownCertificates }: Contestant): Promise<void> {
  if (ownCertificates) return void (await purge(paths.data));
  const { logs, etcd, containerd, kubelet, cni, data } = paths;
  for (const path of [logs, etcd, containerd, kubelet, cni, join(data, 'boot.json')])
    await rm(path, { recursive: true, force: true });
}
