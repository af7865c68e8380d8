import type { NodeConfig } from '../config/node.ts';
import type { Box } from '../isolate/box.ts';
import { warmUp } from '../node/issuing.ts';
import { nodePaths } from '../paths.ts';
import { settle } from './ground.ts';
import type { Ground } from './ground.ts';
import { StopRequests } from './stopRequests.ts';

/** What other programs and threads do for a node while this one loads the rest of itself. */
export interface Groundwork {
  readonly stops: StopRequests;
  readonly ground: Promise<Ground>;
}

/** Listens for requests to stop, and has the ground made and what signs certificates loaded. Waits for nothing. */
export function beginGroundwork(node: NodeConfig, box: Box | undefined): Groundwork {
  const stops = new StopRequests();
  const ground = settle(node, box);
  // Whoever waits for it hears of its failure; nobody does yet.
  ground.catch(() => undefined);
  if (node.kubernetes !== false) warmUp(nodePaths(node.name, node.dataDir).pki);
  return { stops, ground };
}
