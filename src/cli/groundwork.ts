import type { NodeConfig } from '../config/node.ts';
import type { Outside } from '../isolate/follow.ts';
import { lookAtMachine } from '../isolate/machine.ts';
import type { Machine } from '../isolate/machine.ts';
import { warmUp } from '../node/issuing.ts';
import { nodePaths } from '../paths.ts';
import { settle } from './ground.ts';
import type { Ground } from './ground.ts';
import { StopRequests } from './stopRequests.ts';

/** What other programs and threads do for a node while this one loads the rest of itself. */
export interface Groundwork {
  readonly stops: StopRequests;
  readonly ground: Promise<Ground>;
  /** None for a graph without Kubernetes. */
  readonly machine: Promise<Machine> | undefined;
}

/** Listens for requests to stop, and has the ground made, the machine looked at and what signs certificates loaded. Waits for nothing. */
export function beginGroundwork(node: NodeConfig, outside: Outside | undefined): Groundwork {
  const stops = new StopRequests();
  const ground = settle(node, outside);
  const { containerd, pki } = nodePaths(node.name, node.dataDir);
  const look = async (): Promise<Machine> => {
    // A box lies over the machine and changes nothing of it; elsewhere the ground is made by changes.
    if (outside === undefined) await ground;
    return lookAtMachine(containerd, outside?.box.inMemory);
  };
  const machine = node.kubernetes === false ? undefined : look();
  // Whoever waits for them hears of a failure; nobody does yet.
  for (const begun of [ground, machine]) begun?.catch(() => undefined);
  if (node.kubernetes !== false) warmUp(pki);
  return { stops, ground, machine };
}
