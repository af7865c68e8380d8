import { closeSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import type { NodeConfig } from '../config/node.ts';
import { Failure } from '../errors.ts';
import type { Box } from '../isolate/box.ts';
import { createNodeCgroup, joinNodeCgroup, leaveNodeCgroup } from '../isolate/cgroup.ts';
import { removeRemains, removeTraces } from '../isolate/clear.ts';
import { followOutside } from '../isolate/follow.ts';
import { setUpInside } from '../isolate/inside.ts';
import { lockNode } from '../isolate/lock.ts';
import { assertRoot } from '../isolate/preflight.ts';
import { nodePaths } from '../paths.ts';

/** What the node stands on. */
export interface Ground {
  /** The node's own address. */
  readonly ip: string;
  /** Removes what was made for it. */
  readonly leave: () => Promise<void>;
}

/** Makes the ground: inside a box the box itself, elsewhere a lock and a cgroup by which all of it can be found again. */
export async function settle(node: NodeConfig, box: Box | undefined): Promise<Ground> {
  if (box === undefined) return onHost(node);
  followOutside();
  const { nodeIp } = await setUpInside(box);
  // Whoever started the box takes it away.
  return { ip: nodeIp, leave: async () => undefined };
}

async function onHost({ name, dataDir, kubernetes }: NodeConfig): Promise<Ground> {
  const { run, data } = nodePaths(name, dataDir);
  const traces = { name, run, data };
  assertRoot();
  const ip = kubernetes === false ? '127.0.0.1' : ownAddress();
  const lock = await lockNode(run);
  if (lock === undefined) {
    throw new Failure('preflight', `node ${name} is already running`, {
      hint: `k8s-single down --name ${name}`,
    });
  }
  await removeRemains(traces);
  await createNodeCgroup(name);
  await joinNodeCgroup(name);
  const leave = async (): Promise<void> => {
    await leaveNodeCgroup();
    await removeTraces(traces);
    closeSync(lock);
  };
  return { ip, leave };
}

/** The first address that is not loopback: the API server cannot advertise that one. */
function ownAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const own = all.find(({ family, internal }) => family === 'IPv4' && !internal);
  if (own !== undefined) return own.address;
  throw new Failure(
    'preflight',
    'no network interface has an IPv4 address that the API server could advertise',
    {
      hint: 'give one an address (ip address add ...), or run without --host',
    },
  );
}
