import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import type { NodeConfig } from '../src/config/schema/node.ts';
import { purge } from '../src/instance/purge.ts';
import { start } from './competitors.ts';
import type { Competitor } from './competitors.ts';
import { idealBoot } from './criticalPath.ts';
import type { IdealBoot } from './criticalPath.ts';
import { paths, serviceProcesses } from './node.ts';
import { nodeAddress, observeBoot } from './observer.ts';
import type { BootTimes } from './observer.ts';
import { measureLoad } from './load.ts';
import type { LoadTimes } from './load.ts';

/** What can be measured of a node. */
export const parts = ['cold', 'warm', 'down', 'recovery', 'load'] as const;

/** One boot of one competitor. Times in ms. */
interface BootSample extends BootTimes {
  readonly failedSpawns: number;
  /** The start of the first of the node's services. */
  readonly firstProcess: number;
  /** For k8s-single only. */
  readonly ideal?: IdealBoot;
}

/** The results of one competitor in one round. Times in ms; Infinity for what did not happen in time. */
export interface Sample {
  readonly competitor: string;
  /** Whether it restarts a service that is killed. */
  readonly restarts: boolean;
  readonly round: number;
  readonly cold?: BootSample;
  readonly warm?: BootSample;
  readonly down?: number;
  /** By what was done to which component. */
  readonly recovery?: Readonly<Record<string, number>>;
  readonly load?: LoadTimes;
}

/** Brings the node up and down as often as the wanted parts need, and leaves nothing running. */
export async function runSession(
  competitor: Competitor,
  { round, wanted, config }: { round: number; wanted: ReadonlySet<string>; config: NodeConfig },
  signal: AbortSignal,
): Promise<Sample> {
  const boot = async (pod: string) => {
    const { startedAt, stop } = await start(competitor);
    const sample = await stopOnError(stop, async () => {
      const times = await observeBoot({ startedAt, config, pod }, signal);
      const failedSpawns = await competitor.failedSpawns();
      const starts = (await serviceProcesses()).map((each) => each.startedAt - startedAt);
      // The kernel rounds start times down to clock ticks.
      const firstProcess = Math.max(0, Math.min(...starts));
      const ideal = competitor.isOurs ? { ideal: await idealBoot(startedAt, times) } : {};
      return { ...times, failedSpawns, firstProcess, ...ideal };
    });
    return { sample, stop };
  };
  const takesPartInAll = competitor.takesPartIn === 'all';
  const { name, restarts } = competitor;
  await prepareColdStart(competitor);
  const cold = await boot('first');
  const recovery =
    takesPartInAll && wanted.has('recovery') && restarts
      ? { recovery: await stopOnError(cold.stop, async () => measureRecovery(signal)) }
      : {};
  const down = await cold.stop();
  const sample = { competitor: name, restarts, round, cold: cold.sample, ...recovery };
  if (!takesPartInAll) return sample;
  if (!wanted.has('warm')) return wanted.has('down') ? { ...sample, down } : sample;
  const warm = await boot('second');
  // Take `down` of this node: none of its services has been killed.
  return { ...sample, warm: warm.sample, down: await warm.stop() };
}

/** A node of its own for the part `load`, which leaves nothing running. */
export async function runLoad(
  competitor: Competitor,
  { round, config }: { round: number; config: NodeConfig },
  signal: AbortSignal,
): Promise<Sample> {
  await prepareColdStart(competitor);
  const { startedAt, stop } = await start(competitor);
  const load = await stopOnError(stop, async () => {
    await observeBoot({ startedAt, config, pod: 'first' }, signal);
    return measureLoad(config, signal);
  });
  await stop();
  return { competitor: competitor.name, restarts: competitor.restarts, round, load };
}

/** Stops what runs when its measurement fails or is interrupted. */
async function stopOnError<Result>(
  stop: () => Promise<unknown>,
  measure: () => Promise<Result>,
): Promise<Result> {
  try {
    return await measure();
  } catch (error) {
    await stop();
    throw error;
  }
}

async function measureRecovery(signal: AbortSignal): Promise<Record<string, number>> {
  const [service] = await serviceProcesses();
  if (service === undefined) throw new Error('no service of the node is running');
  const program = join(import.meta.dirname, 'recovery.js');
  const address = await nodeAddress(10_000, signal);
  const args = [`--net=/proc/${service.pid}/ns/net`, process.execPath, program, address];
  const { stdout } = await execa('nsenter', args, { cancelSignal: signal });
  const times: Record<string, number | null> = JSON.parse(stdout);
  return Object.fromEntries(Object.entries(times).map(([name, ms]) => [name, ms ?? Infinity]));
}

/** Removes the data of the previous node. */
async function prepareColdStart({ ownCertificates }: Competitor): Promise<void> {
  if (ownCertificates) return void (await purge(paths.data));
  const { logs, etcd, containerd, kubelet, cni, data } = paths;
  for (const path of [logs, etcd, containerd, kubelet, cni, join(data, 'boot.json')])
    await rm(path, { recursive: true, force: true });
}
