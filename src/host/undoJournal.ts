import { appendFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mountTable } from './mountTable.ts';
import { removeChains } from './packetFilter.ts';
import type { PacketFilter } from './packetFilter.ts';
import { run as runAll } from './tool.ts';

/** What a node without a box changes around it, and what is needed to take it back. */
export type UndoEntry =
  | { readonly kind: 'mount'; readonly place: string }
  | { readonly kind: 'setting'; readonly file: string; readonly was: string; readonly now: string }
  /** A file, made as a place to mount on, and an interface that were not there. */
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'interface'; readonly name: string }
  /** Chains of these prefixes, of which there were none. */
  | ({ readonly kind: 'chains'; readonly prefixes: readonly string[] } & PacketFilter);

const fileOf = (run: string): string => join(run, 'changes');

/** Write it down before the change is made: whoever comes after a node that was killed takes back what is written. */
export async function recordUndo(run: string, ...changes: readonly UndoEntry[]): Promise<void> {
  await appendFile(fileOf(run), changes.map((change) => `${JSON.stringify(change)}\n`).join(''));
}

/** Takes back everything that is written down, the last first. Call it when the processes of the node have ended. */
export async function rollBack(run: string): Promise<void> {
  const text = await readFile(fileOf(run), 'utf8').catch(() => '');
  // The last line may have been cut off when the machine went down; then its change was not made.
  const lines = text.split('\n').slice(0, -1);
  for (const line of lines.toReversed()) {
    const change: UndoEntry = JSON.parse(line);
    await undo(change);
  }
  await rm(fileOf(run), { force: true });
}

async function undo(change: UndoEntry): Promise<void> {
  if (change.kind === 'mount') {
    const isMounted = mountTable().some(({ mountPoint }) => mountPoint === change.place);
    if (isMounted) await runAll(['umount', '--no-mtab', change.place]);
  } else if (change.kind === 'setting') {
    const now = await readFile(change.file, 'utf8').catch(() => '');
    // What somebody else has set since is his.
    if (now.trim() === change.now) await writeFile(change.file, change.was);
  } else if (change.kind === 'file') {
    await rm(change.path, { force: true });
  } else if (change.kind === 'interface') {
    const links = await runAll(['ip', '-oneline', 'link', 'show']);
    if (links.includes(` ${change.name}: `)) await runAll(['ip', 'link', 'delete', 'dev', change.name]);
  } else {
    await removeChains(change);
  }
}
