import { appendFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseJson } from '../../probes/transport/json.ts';
import { mountTable } from '../lib/mountTable.ts';
import { removeChains } from './packetFilter.ts';
import type { PacketFilter } from './packetFilter.ts';
import { run as runAll } from './tool.ts';

/** A change that a node without a sandbox makes to the host, with what is needed to undo it. */
export type UndoEntry =
  | { readonly kind: 'mount'; readonly target: string }
  | { readonly kind: 'sysctl'; readonly file: string; readonly before: string; readonly after: string }
  /** A new file, created as a mount point. */
  | { readonly kind: 'file'; readonly path: string }
  /** A new network interface. */
  | { readonly kind: 'interface'; readonly name: string }
  /** A new route, as arguments of ip(8), and that program. */
  | { readonly kind: 'route'; readonly program: string; readonly route: readonly string[] }
  /** New routes with this number of a protocol, and the program ip. */
  | { readonly kind: 'routes'; readonly program: string; readonly protocol: string }
  /** New chains, whose names begin with these prefixes. */
  | ({ readonly kind: 'chains'; readonly prefixes: readonly string[] } & PacketFilter);

const journalFile = (runDir: string): string => join(runDir, 'undo.journal');

/** Call it before making the changes: the journal must be complete even when the node is killed. */
export async function recordUndo(runDir: string, ...entries: readonly UndoEntry[]): Promise<void> {
  // On lines of their own, also after one of which only a part could be written.
  await appendFile(journalFile(runDir), entries.map((entry) => `\n${JSON.stringify(entry)}\n`).join(''));
}

/** Undoes all recorded changes, the last first, and removes the journal. Call it when the node's processes have exited. */
export async function rollBack(runDir: string): Promise<void> {
  const text = await readFile(journalFile(runDir), 'utf8').catch(() => '');
  // A line of which only a part could be written is of a change that was not made.
  for (const line of text.split('\n').toReversed()) {
    const entry = parseJson(line);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same program has written it
    if (entry !== undefined) await undo(entry as UndoEntry);
  }
  await rm(journalFile(runDir), { force: true });
}

async function undo(entry: UndoEntry): Promise<void> {
  if (entry.kind === 'mount') {
    const isMounted = mountTable().some(({ mountPoint }) => mountPoint === entry.target);
    if (isMounted) await runAll(['umount', '--no-mtab', entry.target]);
  } else if (entry.kind === 'sysctl') {
    const current = await readFile(entry.file, 'utf8').catch(() => '');
    // Keep a value that someone else has set since.
    if (current.trim() === entry.after) await writeFile(entry.file, entry.before);
  } else if (entry.kind === 'file') {
    await rm(entry.path, { force: true });
  } else if (entry.kind === 'interface') {
    const links = await runAll(['ip', '-oneline', 'link', 'show']);
    if (links.includes(` ${entry.name}: `)) await runAll(['ip', 'link', 'delete', 'dev', entry.name]);
  } else if (entry.kind === 'route') {
    const found = await runAll([entry.program, 'route', 'show', ...entry.route]);
    if (found !== '') await runAll([entry.program, 'route', 'delete', ...entry.route]);
  } else if (entry.kind === 'routes') {
    const ours = ['proto', entry.protocol];
    const found = await runAll([entry.program, 'route', 'show', ...ours]);
    if (found !== '') await runAll([entry.program, 'route', 'flush', ...ours]);
  } else {
    await removeChains(entry);
  }
}
