import { mkdirSync } from 'node:fs';
import type { Box, Inside } from './box.ts';
import { createNodeCgroup, joinFromOutside } from './cgroup.ts';
import { viewOfItsOwn } from './mounts.ts';
import { connectToHost } from './network.ts';

/** The addresses of the two ends between host and node. */
export interface Addresses {
  readonly nodeIp: string;
  readonly hostIp: string;
}

/**
 * On the host: makes a box of new namespaces while the process in them loads, with its files, network and cgroup. What only that
 * process can do follows when it moves in: see inside.ts. Rejects with a preflight Failure; what is half made goes with the
 * namespaces, or with the traces of the node.
 */
export async function furnish(box: Box, inside: Inside, routes?: string): Promise<Addresses> {
  // The data of a throw-away node is in its run folder, which is empty now.
  mkdirSync(box.data, { recursive: true, mode: 0o700 });
  const all = [
    connectToHost(box, inside, routes),
    viewOfItsOwn(box, inside),
    createNodeCgroup(box.name).then(async () => joinFromOutside(box.name, inside.pid)),
  ] as const;
  // Whoever tidies up after one that has failed finds none still at work.
  await Promise.allSettled(all);
  const [{ nodeIp, hostIp }] = await Promise.all(all);
  return { nodeIp, hostIp };
}
