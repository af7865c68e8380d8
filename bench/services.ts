import { uptime } from 'node:os';
import { kubernetesBinaries } from '../src/install/find/binaries.ts';
import { processTable } from '../test/support/processes.ts';
import { nodeName } from './place.ts';
import { msPerTick } from './tick.ts';

/** The programs of a node's services. */
export const services = ['containerd', 'etcd', ...kubernetesBinaries] as const;

export type ServiceProgram = (typeof services)[number];

/** A process of one of the node's services. */
interface Running {
  readonly program: ServiceProgram;
  readonly pid: number;
  /** When it was started, in ms since the epoch, to the hundredth of a second. */
  readonly startedAt: number;
}

/** The processes of the node's services. */
export async function running(): Promise<Running[]> {
  const found: Running[] = [];
  const bootedAt = Date.now() - uptime() * 1000;
  for (const { pid, id, command, state, cgroups } of (await processTable()).values()) {
    const file = command.split(' ')[0] ?? '';
    const program = services.find((each) => file.endsWith(`/${each}`));
    if (program && state !== 'Z' && cgroups.includes(`/k8s-single-${nodeName}/`))
      found.push({ program, pid, startedAt: bootedAt + Number(id.split(' ')[1]) * msPerTick });
  }
  return found;
}
