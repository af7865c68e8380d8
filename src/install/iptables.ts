import { readFile, symlink, writeFile } from 'node:fs/promises';
import { release } from 'node:os';
import { join } from 'node:path';
import { backEnds, place, type DebianTree } from './debian.ts';
import { nodeNeeds } from './needs.ts';
import type { Run } from './run.ts';
import type { Report } from './stages.ts';

const commands = nodeNeeds
  .filter((need) => 'debian' in need && need.debian === 'iptables')
  .map((need) => need.name);

/** Whether the iptables of the cache were chosen on the kernel that runs now. */
export async function iptablesChosen(tree: DebianTree): Promise<boolean> {
  return (await readFile(join(tree.bin, '.iptables-kernel'), 'utf8').catch(() => '')) === release();
}

/**
 * Points the iptables commands of the cache to the back end that works with this kernel, nf_tables before legacy:
 * each lists the nat table in a network namespace of its own.
 */
export async function chooseIptables(tree: DebianTree, run: Run, report: Report): Promise<void> {
  const chosen = await works(tree, run, report);
  for (const name of commands) await place(tree.bin, name, (half) => symlink(`${name}.${chosen}`, half));
  await place(tree.bin, '.iptables-kernel', (half) => writeFile(half, release()));
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
      report(`iptables-${backEnd}: ${String(error)}`);
    }
  }
  // Neither: not root, or no iptables at all in this kernel. kube-proxy will say it better than we can.
  return backEnds[0];
}
