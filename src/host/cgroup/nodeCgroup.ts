import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { readFile, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Unhealthy } from '../../../probes/probe.ts';
import { DeadlineExceeded, until } from '../../../probes/until.ts';
import { Failure, reasonOf } from '../../lib/errors.ts';
import { groupsBelow, hasErrorCode, kill, moveProcesses, processes, thaw } from './cgroupFiles.ts';
import { hierarchies } from './hierarchies.ts';
import type { Hierarchy } from './hierarchies.ts';

/** The node's cgroup, the same path in every hierarchy; kubelet's `cgroupRoot`. */
export function nodeCgroup(name: string): string {
  return `/k8s-single-${name}`;
}

/**
 * Makes the node's cgroup in every hierarchy, with a leaf `supervisor` for the supervisor and the components: on v2 a
 * cgroup that hands controllers to its children may hold no process itself (cgroup-v2.rst, "No Internal Process
 * Constraint"). What exists is kept.
 */
export async function createNodeCgroup(name: string): Promise<void> {
  const create = async ({ root, version }: Hierarchy): Promise<void> => {
    const node = join(root, nodeCgroup(name));
    if (version === 2) await delegateRoot(root);
    makeCgroup(node, root);
    if (version === 2) delegate(node);
    makeCgroup(join(node, 'supervisor'), node);
  };
  const explained = async (hierarchy: Hierarchy): Promise<void> =>
    create(hierarchy).catch((error: unknown) => {
      const reason = `the cgroup ${join(hierarchy.root, nodeCgroup(name))} cannot be made: ${reasonOf(error)}`;
      throw new Failure('preflight', reason, {
        hint: 'in a container, run it with --privileged',
        cause: error,
      });
    });
  await Promise.all(hierarchies().map(explained));
}

/**
 * Moves processes, by default this one, into the node's `supervisor` leaf; their children are born there. The cgroups are
 * looked up at once: from then on they may be out of sight.
 */
export async function joinNodeCgroup(name: string, pids: readonly number[] = [process.pid]): Promise<void> {
  await moveProcesses(pids, ...hierarchies().map(({ root }) => join(root, nodeCgroup(name), 'supervisor')));
}

/**
 * On the host: moves the children of the process `pid`, theirs, and so on there. Where the kernel does not tell whose child who is
 * (CONFIG_PROC_CHILDREN), it does nothing.
 */
export async function joinProcessTree(name: string, pid: number): Promise<void> {
  const children = childrenOf(pid);
  if (children.length === 0) return;
  await joinNodeCgroup(name, children);
  // From now on their children are born there; these were born before.
  for (const child of children) await joinProcessTree(name, child);
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** Whether these processes are there in every hierarchy of the kernel. */
export function haveJoinedNodeCgroup(name: string, pids: readonly number[]): boolean {
  const place = `${nodeCgroup(name)}/supervisor`;
  return pids
    .flatMap((pid) => readFileSync(`/proc/${pid}/cgroup`, 'utf8').trimEnd().split('\n'))
    .every((line) => line.endsWith(`:${place}`));
}

/** Moves this process out of the node's cgroup, to the root of each hierarchy, so that the cgroup can be removed. */
export async function leaveNodeCgroup(): Promise<void> {
  for (const { root } of hierarchies()) {
    await moveProcesses([process.pid], existsSync(join(root, aside)) ? join(root, aside) : root);
  }
}

/**
 * Sends SIGTERM to every process in the node's cgroup, except to this one and those in front of it, and resolves when they
 * have ended, or after `graceMs` with those that have not: "name (pid N)".
 */
export async function stopNodeCgroup(name: string, graceMs: number): Promise<string[]> {
  const spared = new Set([1, process.ppid, process.pid]);
  const left = async (): Promise<number[]> => {
    const pids = (await Promise.all((await allGroups(name)).map(processes))).flat();
    return [...new Set(pids)].filter((pid) => !spared.has(pid));
  };
  // Once: what they start in order to end is theirs.
  for (const pid of await left()) kill(pid, 'SIGTERM');
  const ended = async (): Promise<void> => {
    const pids = await left();
    if (pids.length > 0) throw new Unhealthy(`still running: pid ${pids.join(', ')}`);
  };
  await until(ended, { timeoutMs: graceMs }, new AbortController().signal).catch((error: unknown) => {
    if (!(error instanceof DeadlineExceeded)) throw error;
  });
  return Promise.all((await left()).map(nameOf));
}

async function nameOf(pid: number): Promise<string> {
  const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => 'gone');
  return `${name.trim()} (pid ${pid})`;
}

/** Sends SIGKILL to every process in the node's cgroup, pods and their shims included. Resolves with their pids. */
export async function killNodeCgroup(name: string): Promise<number[]> {
  const pids = new Set<number>();
  for (const group of await allGroups(name)) {
    for (const pid of await processes(group)) pids.add(pid);
    await thaw(group);
  }
  for (const pid of pids) kill(pid);
  return [...pids];
}

/**
 * Kills every process in the node's cgroup and removes it. Resolves when it is gone or was not there; rejects after
 * 10 s with the processes that would not die.
 */
export async function removeNodeCgroup(name: string): Promise<void> {
  // As a rule there is none, and a start waits for the answer.
  if (!hierarchies().some(({ root }) => existsSync(join(root, nodeCgroup(name))))) return;
  const emptied = async (): Promise<void> => {
    const pids = await killNodeCgroup(name);
    if (pids.length > 0)
      throw new Unhealthy(`still running in cgroup ${nodeCgroup(name)}: pid ${pids.join(', ')}`);
  };
  await until(emptied, { timeoutMs: 10_000 }, new AbortController().signal);
  for (const group of await allGroups(name)) {
    await rmdir(group).catch((error: unknown) => {
      if (!hasErrorCode(error, 'ENOENT')) throw error;
    });
  }
}

async function allGroups(name: string): Promise<string[]> {
  const roots = hierarchies().map(({ root }) => join(root, nodeCgroup(name)));
  return (await Promise.all(roots.map(groupsBelow))).flat();
}

function makeCgroup(group: string, parent: string): void {
  mkdirSync(group, { recursive: true });
  // A new cpuset of v1 has no CPU and no memory node, and no process may enter it so (cpusets.rst).
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    const own = join(group, file);
    if (existsSync(own) && readFileSync(own, 'utf8').trim() === '')
      writeFileSync(own, readFileSync(join(parent, file), 'utf8'));
  }
}

/** Hands every controller of a v2 cgroup to its children. */
function delegate(group: string): void {
  const controllers = readFileSync(join(group, 'cgroup.controllers'), 'utf8').split(/\s+/).filter(Boolean);
  writeFileSync(join(group, 'cgroup.subtree_control'), controllers.map((name) => `+${name}`).join(' '));
}

/** Where the processes of a container's root cgroup go, as in kind's entrypoint: it is no real root and may hold none. */
const aside = 'init';

async function delegateRoot(root: string): Promise<void> {
  const emptied = async (): Promise<void> => {
    mkdirSync(join(root, aside), { recursive: true });
    await moveProcesses(await processes(root), join(root, aside));
    delegate(root);
  };
  try {
    delegate(root);
  } catch (error) {
    if (!hasErrorCode(error, 'EBUSY')) throw error;
    // More than one look: what is started in the container meanwhile, a health check for one, is born in its root.
    await until(emptied, { timeoutMs: 5000 }, new AbortController().signal);
  }
}
