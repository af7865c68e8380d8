import { readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { Unhealthy } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import { nodePaths } from '../../src/lib/paths.ts';
import { kinds } from './hostState.ts';
import type { Resources } from './hostState.ts';
import { processTable } from './processes.ts';
import type { Process } from './processes.ts';

/** The processes and other resources of this machine at one time. */
export interface Snapshot {
  readonly resources: ReadonlyMap<string, Resources>;
  readonly processes: ReadonlySet<string>;
}

/** Lists everything that a node could leave behind. Call it before the node starts. */
export async function snapshotHost(): Promise<Snapshot> {
  const processes = [...(await processTable()).values()].map(({ id }) => id);
  return { resources: await allResources(), processes: new Set(processes) };
}

/**
 * Waits until nothing is left of these nodes, without names: of any node. @throws DeadlineExceeded after `timeoutMs`, with what is left. The default
 * tolerates what is just being removed, and processes of other programs on this machine.
 */
export async function expectNothingLeft(
  before: Snapshot,
  nodes: readonly (string | undefined)[] = [undefined],
  timeoutMs = 15_000,
): Promise<void> {
  const isClean = async (): Promise<void> => {
    const left = await Promise.all(nodes.map(async (node) => leftoversSince(before, node)));
    if (left.flat().length > 0) throw new Unhealthy(left.flat().join('\n'));
  };
  await until(isClean, { timeoutMs, attemptTimeoutMs: timeoutMs }, new AbortController().signal);
}

/**
 * One line for each resource that is new since `before`: none if `down` left nothing. The machine may be busy with other
 * work. So a process counts only if it is a descendant of this one or an orphan, as leftovers are, and nothing counts that
 * has the name of a node other than `node`, if that is given.
 */
export async function leftoversSince(before: Snapshot, node?: string): Promise<string[]> {
  const table = await processTable();
  const processes = [...table.values()].filter(
    (each) => !before.processes.has(each.id) && isOurs(each, table, before, node),
  );
  const found = processes.map(
    ({ pid, parent, state, command }) => `process ${pid} (parent ${parent}, ${state}): ${command}`,
  );
  const resources = await allResources();
  const foreign = foreignInterfaces(resources.get('interface') ?? new Map(), node);
  for (const [kind, now] of resources) {
    for (const [id, text] of now) {
      if (before.resources.get(kind)?.has(id) || isOfOtherNode(text, node)) continue;
      if (foreign.some((name) => text.split(/[\s@:]+/).includes(name))) continue;
      if (isHeldByOthers(text, processes)) continue;
      found.push(`${kind} ${text}`);
    }
  }
  return found;
}

async function allResources(): Promise<Map<string, Resources>> {
  const entries = Object.entries(kinds).map(async ([kind, list]): Promise<[string, Resources]> => [
    kind,
    await list(),
  ]);
  return new Map(await Promise.all(entries));
}

/**
 * Follows the parents up to the first that existed before. Ours if that is this process, or PID 1, which adopts orphans, if it is of a
 * test or of a node: others start services meanwhile.
 */
function isOurs(
  found: Process,
  table: ReadonlyMap<number, Process>,
  before: Snapshot,
  node?: string,
): boolean {
  // It has exited; the init of the machine will reap it.
  if (found.state === 'Z' && found.parent === 1) return false;
  if (isOfOtherNode(`${found.command} ${found.cgroups}`, node)) return false;
  let ancestor: Process | undefined = found;
  while (ancestor !== undefined && !before.processes.has(ancestor.id)) ancestor = table.get(ancestor.parent);
  if (ancestor?.pid === process.pid) return true;
  const isOrphan = ancestor === undefined || ancestor.pid === 1;
  return isOrphan && (found.isOfTest || /k8s-single/.test(`${found.command} ${found.cgroups}`));
}

const parentOfRunFolders = dirname(nodePaths('any').run);

/** The parent of all run folders is removed with the last of them. */
function isInUse(folder: string): boolean {
  try {
    return readdirSync(folder).length > 0;
  } catch {
    // Removed meanwhile, by another node.
    return true;
  }
}

/** Run folders, cgroups and interfaces carry the name of their node. */
function isOfOtherNode(text: string, node?: string): boolean {
  if (node === undefined) return false;
  if (text === parentOfRunFolders) return isInUse(text);
  const names = [...text.matchAll(/k8s-single(?:\/|-| node )([\w.-]+)/g)].map((match) => match[1]);
  return names.length > 0 && !names.includes(node);
}

/** Includes the interface of a sandbox that is being set up: `k8s-172-30-7`, whose alias is set right after. */
function foreignInterfaces(interfaces: Resources, node?: string): string[] {
  if (node === undefined) return [];
  return [...interfaces]
    .filter(
      ([name, text]) => isOfOtherNode(text, node) || (/^\s*k8s-[\da-f]/.test(name) && !text.includes(node)),
    )
    .map(([name]) => name.trim().split('@')[0] ?? name);
}

/** Namespaces and sockets name their processes. Those without a process are held by a mount or the kernel, and count. */
function isHeldByOthers(text: string, ours: readonly Process[]): boolean {
  const pids = [...text.matchAll(/\bpid=(\d+)/g)].map((match) => Number(match[1]));
  return pids.length > 0 && !pids.some((pid) => pid === process.pid || ours.some((each) => each.pid === pid));
}
