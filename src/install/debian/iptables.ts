import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceAtomically } from '../../lib/atomicFile.ts';
import { Failure } from '../../lib/errors.ts';
import { nodeBinaries, type BinarySpec } from '../find/binaries.ts';
import type { DebianTree } from '../find/cacheLayout.ts';
import type { Run } from '../run.ts';
import type { Report } from '../steps.ts';
import { exists, iptablesBackEnds } from './packages.ts';

/** Installed together: they must have the same version and back end. */
export const iptablesBinaries: readonly BinarySpec[] = nodeBinaries.filter(
  (binary) => 'debianPackage' in binary && binary.debianPackage === 'iptables',
);

/** Whether both back ends of every command are unpacked. */
export async function hasIptablesBackEnds(tree: DebianTree): Promise<boolean> {
  const entries = iptablesBinaries.flatMap(({ name }) => iptablesBackEnds.map((each) => `${name}.${each}`));
  return (await Promise.all(entries.map((entry) => exists(join(tree.bin, entry))))).every(Boolean);
}

/**
 * Links the iptables commands to the back end that works with this kernel, nf_tables before legacy: tested by listing the nat
 * table in a new network namespace.
 */
export async function chooseIptables(tree: DebianTree, run: Run, report: Report): Promise<void> {
  const backEnd = await workingBackEnd(tree, run, report);
  await mkdir(tree.kernelBin, { recursive: true });
  for (const { name } of iptablesBinaries) {
    await replaceAtomically(join(tree.kernelBin, name), (path) => symlink(`../bin/${name}.${backEnd}`, path));
  }
}

async function workingBackEnd(
  tree: DebianTree,
  run: Run,
  report: Report,
): Promise<(typeof iptablesBackEnds)[number]> {
  const what = 'list the nat table';
  for (const backEnd of iptablesBackEnds) {
    const args = ['--net', join(tree.bin, `iptables.${backEnd}`), '-t', 'nat', '-L', '-n'];
    try {
      // By default, the legacy one locks a file of the machine.
      await run('unshare', args, { what, env: { XTABLES_LOCKFILE: join(tree.bin, '.xtables.lock') } });
      return backEnd;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      report(`iptables-${backEnd}: ${error.message}`);
    }
  }
  // Neither: not root, or a kernel without iptables. The start of the node will report it better.
  return iptablesBackEnds[0];
}
