import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../lib/errors.ts';
import type { DebianTree } from '../find/cache.ts';
import { backEnds, isThere, place } from './debian.ts';
import { nodeBinaries, type BinarySpec } from '../find/needs.ts';
import type { Run } from '../run.ts';
import type { Report } from '../stages.ts';

/** Brought as one: they must be of one version and one back end. */
export const iptablesNeeds: readonly BinarySpec[] = nodeBinaries.filter(
  (need) => 'debian' in need && need.debian === 'iptables',
);

/** Whether both back ends of every command are unpacked. */
export async function hasBackEnds(tree: DebianTree): Promise<boolean> {
  const entries = iptablesNeeds.flatMap(({ name }) => backEnds.map((backEnd) => `${name}.${backEnd}`));
  const there = await Promise.all(entries.map((entry) => isThere(join(tree.bin, entry))));
  return there.every(Boolean);
}

/**
 * Leads the iptables commands to the back end that works with this kernel, nf_tables before legacy: each lists the nat
 * table in a network namespace of its own.
 */
export async function chooseIptables(tree: DebianTree, run: Run, report: Report): Promise<void> {
  const chosen = await works(tree, run, report);
  await mkdir(tree.kernelBin, { recursive: true });
  for (const { name } of iptablesNeeds) {
    await place(tree.kernelBin, name, (half) => symlink(`../bin/${name}.${chosen}`, half));
  }
}

async function works(tree: DebianTree, run: Run, report: Report): Promise<(typeof backEnds)[number]> {
  const what = 'list the nat table';
  for (const backEnd of backEnds) {
    const args = ['--net', join(tree.bin, `iptables.${backEnd}`), '-t', 'nat', '-L', '-n'];
    try {
      // The legacy one locks a file of the machine unless told otherwise.
      await run('unshare', args, { what, env: { XTABLES_LOCKFILE: join(tree.bin, '.xtables.lock') } });
      return backEnd;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      report(`iptables-${backEnd}: ${error.message}`);
    }
  }
  // Neither: not root, or no iptables at all in this kernel. kube-proxy will say it better than we can.
  return backEnds[0];
}
