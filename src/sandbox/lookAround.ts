import { join } from 'node:path';
import type { NodeDirs } from '../instance/cleanUp.ts';
import type { Snapshotter } from '../host/snapshotter.ts';

/** What is seen of the host when nothing of a node before is left. */
export interface Looks {
  readonly routes: Promise<string | undefined>;
  /** The box is not kept waiting for it: the mount that is tried takes the kernel 10 ms and more. */
  readonly snapshotter: Promise<Snapshotter>;
}

/** With the locks in hand removes what a node before has left, and then looks at the host: resolves when it has begun to. */
export async function lookAround(traces: NodeDirs, locked: Promise<unknown>): Promise<Looks> {
  const [{ cleanUpLeftovers }, { routesOfHost }, { chooseSnapshotter }] = await Promise.all([
    import('../instance/cleanUp.ts'),
    import('./network.ts'),
    import('../host/snapshotter.ts'),
    locked,
  ]);
  await cleanUpLeftovers(traces);
  return { routes: routesOfHost(), snapshotter: chooseSnapshotter(join(traces.data, 'containerd')) };
}
