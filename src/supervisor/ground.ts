import type { NodeConfig } from '../config/schema/node.ts';
import type { Binaries } from '../install/install.ts';
import type { CheckResult } from '../host/checkResult.ts';
import type { Outside } from '../sandbox/follow.ts';
import { moveIn } from '../sandbox/finishSetupInside.ts';
import { forgetSupervisor, recordSupervisor } from '../instance/pidFile.ts';

/** What the node stands on. */
export interface Ground {
  /** The node's own address. */
  readonly ip: string;
  /** What was found of the machine, and what is done about it. */
  readonly findings: readonly CheckResult[];
  /** Told the node's binaries before any of them runs. */
  readonly attend: (binaries: Binaries) => Promise<void>;
  /** Removes what was made for it. */
  readonly leave: () => Promise<void>;
}

/** Makes the ground: inside a box what is left to do of it, elsewhere a lock and a cgroup by which all of it can be found again. */
export async function settle(node: NodeConfig, outside: Outside | undefined): Promise<Ground> {
  // Loaded only there: the box is a node's quickest way up.
  if (outside === undefined) return (await import('./groundHere.ts')).settleHere(node);
  outside.follow();
  const { box, addresses } = outside;
  await moveIn(outside);
  recordSupervisor(box.run, box.data);
  // Whoever started the box takes it away.
  return {
    ip: addresses.nodeIp,
    findings: [],
    attend: async () => undefined,
    leave: async () => forgetSupervisor(box.run),
  };
}
