import { mkdirSync } from 'node:fs';
import type { Box, Inside } from './sandboxSpec.ts';
import { createNodeCgroup, joinProcessTree } from '../host/cgroup/nodeCgroup.ts';
import { viewOfItsOwn } from './mounts.ts';
import { connectToHost } from './network.ts';

/** The addresses of the two ends between host and node. */
export interface Addresses {
  readonly nodeIp: string;
  readonly hostIp: string;
}

/** A box in the making. Both reject with a preflight Failure. */
export interface Making {
  /** Known before the rest is made. */
  readonly addresses: Promise<Addresses>;
  /** Settles when nothing is at work any more. */
  readonly made: Promise<void>;
}

/**
 * On the host: begins to make a box of new namespaces while the process in them loads, with its files, network and cgroup. What
 * only that process can do follows when it moves in: see finishSetupInside.ts. What is half made goes with the namespaces, or with the
 * traces of the node.
 */
export function furnish(box: Box, inside: Inside, routes: Promise<string | undefined>): Making {
  // The data of a throw-away node is in its run folder, which is empty now.
  mkdirSync(box.data, { recursive: true, mode: 0o700 });
  // What takes longest is begun first.
  const view = viewOfItsOwn(box, inside);
  const addresses = connectToHost(box, inside, routes).then(({ nodeIp, hostIp }) => ({ nodeIp, hostIp }));
  const group = createNodeCgroup(box.name).then(async () => joinProcessTree(box.name, inside.pid));
  const all = [view, addresses, group];
  const made = Promise.allSettled(all).then(async () => void (await Promise.all(all)));
  // Whoever waits for them hears of a failure; nobody does yet.
  for (const pending of [addresses, made]) pending.catch(() => undefined);
  return { addresses, made };
}
