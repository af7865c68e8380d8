import { readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { nodePaths } from '../../src/lib/paths.ts';
import { kinds } from './hostState.ts';
import type { Things } from './hostState.ts';
import { processTable } from './processes.ts';
import type { Process } from './processes.ts';

/** What there was on this machine at one time. */
export interface Snapshot {
  readonly things: ReadonlyMap<string, Things>;
  readonly processes: ReadonlySet<string>;
}

/** Looks at everything that a node could leave behind. Take it before the node starts. */
export async function snapshotHost(): Promise<Snapshot> {
  const processes = [...(await processTable()).values()].map(({ id }) => id);
  return { things: await allThings(), processes: new Set(processes) };
}

/**
 * A line for each thing that is there now and was not: empty when `down` has left nothing. The machine may be busy
 * with other work: a process counts only when it is a descendant of this one or has lost its parent, as leftovers
 * have, and what names a node other than `node` is that one's.
 */
export async function leftoversSince(before: Snapshot, node: string): Promise<string[]> {
  const table = await processTable();
  const processes = [...table.values()].filter(
    (each) => !before.processes.has(each.id) && isOurs(each, table, before, node),
  );
  const found = processes.map(
    ({ pid, parent, state, command }) => `process ${pid} (parent ${parent}, ${state}): ${command}`,
  );
  const things = await allThings();
  const foreign = foreignInterfaces(things.get('interface') ?? new Map(), node);
  for (const [kind, now] of things) {
    for (const [id, text] of now) {
      if (before.things.get(kind)?.has(id) || isOfAnother(text, node)) continue;
      if (foreign.some((name) => text.split(/[\s@:]+/).includes(name))) continue;
      if (isHeldByOthers(text, processes)) continue;
      found.push(`${kind} ${text}`);
    }
  }
  return found;
}

async function allThings(): Promise<Map<string, Things>> {
  const entries = Object.entries(kinds).map(async ([kind, see]): Promise<[string, Things]> => [
    kind,
    await see(),
  ]);
  return new Map(await Promise.all(entries));
}

/** Follows the parents up to the first that was there before: PID 1, which adopts, or this process. */
function isOurs(
  found: Process,
  table: ReadonlyMap<number, Process>,
  before: Snapshot,
  node: string,
): boolean {
  // It has ended; when to collect it is up to the init of the machine.
  if (found.state === 'Z' && found.parent === 1) return false;
  if (isOfAnother(`${found.command} ${found.cgroups}`, node)) return false;
  let ancestor: Process | undefined = found;
  while (ancestor !== undefined && !before.processes.has(ancestor.id)) ancestor = table.get(ancestor.parent);
  return ancestor === undefined || ancestor.pid === 1 || ancestor.pid === process.pid;
}

const runOfAll = dirname(nodePaths('any').run);

/** The folder of all run folders goes with the last of them. */
function isInUse(folder: string): boolean {
  try {
    return readdirSync(folder).length > 0;
  } catch {
    // Gone meanwhile: it was another one's.
    return true;
  }
}

/** Run folders, cgroups and interfaces carry the name of their node. */
function isOfAnother(text: string, node: string): boolean {
  if (text === runOfAll) return isInUse(text);
  const names = [...text.matchAll(/k8s-single(?:\/|-| node )([\w.-]+)/g)].map((match) => match[1]);
  return names.length > 0 && !names.includes(node);
}

/** Also the end of a box that is just being made: `k8s-172-30-7`, which is told its node right after. */
function foreignInterfaces(interfaces: Things, node: string): string[] {
  return [...interfaces]
    .filter(([name, text]) => isOfAnother(text, node) || (/^\s*k8s-\d/.test(name) && !text.includes(node)))
    .map(([name]) => name.trim().split('@')[0] ?? name);
}

/** Namespaces and sockets come with a process that has them; those without are held by a mount or the kernel, and count. */
function isHeldByOthers(text: string, ours: readonly Process[]): boolean {
  const pids = [...text.matchAll(/\bpid=(\d+)/g)].map((match) => Number(match[1]));
  return pids.length > 0 && !pids.some((pid) => pid === process.pid || ours.some((each) => each.pid === pid));
}
