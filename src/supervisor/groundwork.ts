import type { NodeConfig } from '../config/schema/node.ts';
import type { Outside } from '../sandbox/follow.ts';
import { inspectHost } from '../host/hostCapabilities.ts';
import type { HostCapabilities } from '../host/hostCapabilities.ts';
import type { Snapshotter } from '../host/snapshotter.ts';
import { warmUp } from '../kubernetes/pki/issuing.ts';
import { nodePaths } from '../lib/paths.ts';
import { settle } from './ground.ts';
import type { Ground } from './ground.ts';
import { StopRequests } from '../lib/stopRequests.ts';

/** What other programs do for a node while this one loads the rest of itself. */
export interface Groundwork {
  readonly stops: StopRequests;
  readonly ground: Promise<Ground>;
  /** The node's own address: in a box it is known before all of the ground is made. */
  readonly ip: Promise<string>;
  /** None for a graph without Kubernetes. */
  readonly machine: Promise<HostCapabilities> | undefined;
}

/** Listens for requests to stop, and has the ground made, the machine looked at and what signs certificates loaded. Waits for nothing. */
export function beginGroundwork(node: NodeConfig, outside: Outside | undefined): Groundwork {
  const stops = new StopRequests();
  const ground = settle(node, outside);
  const ip =
    outside === undefined ? ground.then((made) => made.ip) : Promise.resolve(outside.addresses.nodeIp);
  const { containerd, pki } = nodePaths(node.name, node.dataDir);
  const look = async (): Promise<HostCapabilities> => {
    // Where there is no box, the ground is made by changing the machine.
    if (outside === undefined) await ground;
    return inspectHost(containerd, known(outside, containerd));
  };
  const machine = node.kubernetes === false ? undefined : look();
  // Whoever waits for them hears of a failure; nobody does yet.
  for (const begun of [ground, ip, machine]) begun?.catch(() => undefined);
  // In a box it has been done: see programs/supervisor.ts.
  if (outside === undefined && node.kubernetes !== false) warmUp(pki);
  return { stops, ground, ip, machine };
}

/** Of a box the process outside has seen it; and a box stands on overlays in memory itself. */
function known(outside: Outside | undefined, containerd: string): Snapshotter | undefined {
  return outside?.box.inMemory?.includes(containerd) === true ? 'overlayfs' : outside?.snapshotter;
}
