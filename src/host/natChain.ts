import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
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
  /** Before the other rules of POSTROUTING, or behind those that are there. */
  readonly isFirst: boolean;
}

/**
 * Makes the chain have these rules, and POSTROUTING jump to it. Nothing is written if that is so already.
 * @throws Error of the program that failed, with its stderr
 */
export async function keepNatChain({ save, restore }: PacketFilter, wanted: NatChain): Promise<void> {
  const { name, source, isFirst } = wanted;
  const { stdout } = await execute(save, ['-t', 'nat']);
  const lines = stdout.split('\n').map((line) => line.trim());
  const rules = wanted.rules.map((rule) => `-A ${name} ${rule}`);
  const jump = `POSTROUTING -s ${source} -j ${name}`;
  const jumps = lines.filter((line) => line.startsWith('-A POSTROUTING ') && line.endsWith(` -j ${name}`));
  const present = lines.filter((line) => line.startsWith(`-A ${name} `));
  const hasJump = jumps.includes(`-A ${jump}`);
  if (hasJump && jumps.length === 1 && present.join() === rules.join()) return;
  const input = [
    '*nat',
    // The declaration of a chain empties it.
    `:${name} - [0:0]`,
    ...rules,
    ...jumps.filter((each) => each !== `-A ${jump}`).map((each) => each.replace('-A', '-D')),
    ...(hasJump ? [] : [`${isFirst ? '-I' : '-A'} ${jump}`]),
    'COMMIT',
    '',
  ];
  // --wait would take what follows for a number of seconds, unless it is an option.
  const restored = execute(restore, ['--wait', '--noflush']);
  // It may end before it has read; its exit code says so.
  restored.child.stdin?.on('error', () => undefined).end(input.join('\n'));
  await restored;
}
