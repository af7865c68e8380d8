import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Failure, reasonOf } from '../lib/errors.ts';
import type { PacketFilter } from './packetFilter.ts';

const execute = promisify(execFile);

/** The chains of ours begin with it. */
export const chainPrefix = 'K8S-SINGLE-';

/** A chain of the table `nat` for packets on their way out of this machine or out of a sandbox. */
export interface NatChain {
  readonly name: string;
  /** Range of the addresses whose packets it is for. */
  readonly source: string;
  /** What follows `-A <name>`, as iptables-save prints it. */
  readonly rules: readonly string[];
  /** Where its jump is put when it is made: before the rules of POSTROUTING that are there, or behind them. */
  readonly isFirst: boolean;
}

/**
 * Gives packets that leave the pod network the address of the node, as `ipMasq` of the CNI plugin would: that makes a chain for each pod,
 * and runs iptables seven times for it. RETURN, not its ACCEPT: the chain is in front of KUBE-POSTROUTING, which a pod needs that reaches
 * itself through its Service.
 * @param clusterCidr the range of the pods of all nodes
 */
export function masquerade(clusterCidr: string): NatChain {
  return {
    name: `${chainPrefix}MASQUERADE`,
    source: clusterCidr,
    rules: [`-d ${clusterCidr} -j RETURN`, '! -d 224.0.0.0/4 -j MASQUERADE'],
    isFirst: false,
  };
}

/**
 * Makes the chains have these rules, and POSTROUTING jump to each once. Nothing is written if that is so already.
 * @throws Failure `preflight` when the packet filter refuses it
 */
export async function keepNatChains(
  { save, restore }: PacketFilter,
  chains: readonly NatChain[],
): Promise<void> {
  try {
    const { stdout } = await execute(save, ['-t', 'nat'], { maxBuffer: Infinity });
    const present = stdout.split('\n').map((line) => line.trim());
    const changes = chains.flatMap((chain) => changesOf(chain, present));
    if (changes.length === 0) return;
    // --wait would take what follows for a number of seconds, unless it is an option.
    const restored = execute(restore, ['--wait', '--noflush']);
    // It may end before it has read; its exit code says so.
    restored.child.stdin?.on('error', () => undefined).end(['*nat', ...changes, 'COMMIT', ''].join('\n'));
    await restored;
  } catch (cause) {
    throw new Failure('preflight', `the packet filter does not take the rules for pods: ${reasonOf(cause)}`, {
      cause,
    });
  }
}

/** The input of iptables-restore that makes the chain of these lines of iptables-save what is wanted. */
function changesOf({ name, source, rules: wanted, isFirst }: NatChain, present: readonly string[]): string[] {
  const rules = wanted.map((rule) => `-A ${name} ${rule}`);
  const jump = `POSTROUTING -s ${source} -j ${name}`;
  const jumps = present.filter((line) => line.startsWith('-A POSTROUTING ') && line.endsWith(` -j ${name}`));
  const isJumpThere = jumps.join('\n') === `-A ${jump}`;
  const areRulesThere =
    present.filter((line) => line.startsWith(`-A ${name} `)).join('\n') === rules.join('\n');
  if (isJumpThere && areRulesThere) return [];
  return [
    // The declaration of a chain empties it.
    `:${name} - [0:0]`,
    ...rules,
    ...(isJumpThere
      ? []
      : [...jumps.map((each) => each.replace('-A', '-D')), `${isFirst ? '-I' : '-A'} ${jump}`]),
  ];
}
