import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Unhealthy } from '../../../probes/probe.ts';
import { until } from '../../../probes/until.ts';
import { Failure, reasonOf } from '../../lib/errors.ts';
import { groupsBelow, kill, moveProcesses, processes, thaw } from './cgroupFiles.ts';
import { hierarchies } from './hierarchies.ts';
import type { Hierarchy } from './hierarchies.ts';
import { hasErrorCode } from '../../lib/systemError.ts';

/** The node's cgroup, the same path in every hierarchy; kubelet's `cgroupRoot`. */
export function nodeCgroup(name: string): string {
  return `/k8s-single-${name}`;
}

/**
 * Creates the node's cgroup in every hierarchy, with a leaf `supervisor` for the supervisor and the components: on v2, a
 * cgroup that enables controllers for its children must not contain processes (cgroup-v2.rst, "No Internal Process
 * Constraint"). Keeps existing cgroups.
 */
export async function createNodeCgroup(name: string): Promise<void> {
  const create = async ({ root, version }: Hierarchy): Promise<void> => {
    const node = join(root, nodeCgroup(name));
    if (version === 2) await enableRootControllers(root);
    makeCgroup(node, root);
    if (version === 2) enableControllers(node);
    makeCgroup(join(node, 'supervisor'), node);
  };
  const createOrExplain = async (hierarchy: Hierarchy): Promise<void> =>
    create(hierarchy).catch((error: unknown) => {
      const reason = `cannot create the cgroup ${join(hierarchy.root, nodeCgroup(name))}: ${reasonOf(error)}`;
      throw new Failure('preflight', reason, {
        hint: 'in a container, run it with --privileged',
        cause: error,
      });
    });
  await Promise.all(hierarchies().map(createOrExplain));
}

/**
 * Moves processes, by default this one, into the node's `supervisor` leaf; their future children start there. Opens the cgroups
 * before it returns, so that their paths may become unreachable afterwards.
 */
export async function joinNodeCgroup(name: string, pids: readonly number[] = [process.pid]): Promise<void> {
  await moveProcesses(pids, ...hierarchies().map(({ root }) => join(root, nodeCgroup(name), 'supervisor')));
}

/**
 * Moves the descendants of the process `pid` into that leaf. Call it on the host. Does nothing on a kernel without
 * CONFIG_PROC_CHILDREN.
 */
export async function joinProcessTree(name: string, pid: number): Promise<void> {
  const children = childrenOf(pid);
  if (children.length === 0) return;
  await joinNodeCgroup(name, children);
  // Their future children start there; these existed before.
  for (const child of children) await joinProcessTree(name, child);
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** Whether these processes are in that leaf in every hierarchy of the kernel. */
export function haveJoinedNodeCgroup(name: string, pids: readonly number[]): boolean {
  const leaf = `${nodeCgroup(name)}/supervisor`;
  return pids
    .flatMap((pid) => readFileSync(`/proc/${pid}/cgroup`, 'utf8').trimEnd().split('\n'))
    .every((line) => line.endsWith(`:${leaf}`));
}

/** Whether the process is in a cgroup of the node, as its components and pods are. */
export function isInNodeCgroup(name: string, pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(`${nodeCgroup(name)}/`);
  } catch {
    return false;
  }
}

/** The supervisor and the components of a node, without its pods; none if it does not run. */
export async function componentProcesses(name: string): Promise<number[]> {
  const leaves = hierarchies().map(({ root }) => processes(join(root, nodeCgroup(name), 'supervisor')));
  return [...new Set((await Promise.all(leaves)).flat())];
}

/** The cgroups of this process that are not a root, by the mount point of the hierarchy. Call it before {@link joinNodeCgroup}. */
export function ownCgroups(): ReadonlyMap<string, string> {
  const lines = readFileSync('/proc/self/cgroup', 'utf8').trimEnd().split('\n');
  const found = hierarchies().flatMap(({ root, version, options }): [string, string][] => {
    for (const line of lines) {
      const [, controllers = '', group = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
      const isThis =
        version === 2 ? controllers === '' : controllers.split(',').some((each) => options.includes(each));
      // One outside of this cgroup namespace begins with "/..".
      if (isThis && group !== '/' && !group.startsWith('/..')) return [[root, join(root, group)]];
    }
    return [];
  });
  return new Map(found);
}

/**
 * Moves this process out of the node's cgroup, so that it can be removed: back to where it was, or to the root of the hierarchy.
 * Where systemd manages the cgroups of a container, no process can be in their root.
 */
export async function leaveNodeCgroup(before: ReadonlyMap<string, string>): Promise<void> {
  for (const { root } of hierarchies()) {
    const groups = [before.get(root), join(root, rootLeaf)];
    const group = groups.find((each) => each !== undefined && existsSync(each));
    await moveProcesses([process.pid], group ?? root);
  }
}

/** The processes in the node's cgroup that are visible in this PID namespace, pods included. */
export async function nodeProcesses(name: string): Promise<number[]> {
  return [...new Set((await Promise.all((await allGroups(name)).map(processes))).flat())];
}

/** Sends SIGKILL to every process in the node's cgroup, including pods and their shims. Resolves with their pids. */
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
 * Kills every process in the node's cgroup and removes it. Resolves when it does not exist (any more); rejects after 10 s with
 * the processes that are still running.
 */
export async function removeNodeCgroup(name: string): Promise<void> {
  // Usually there is none, and the start of a node waits for this.
  if (!hierarchies().some(({ root }) => existsSync(join(root, nodeCgroup(name))))) return;
  const isEmpty = async (): Promise<void> => {
    const pids = await killNodeCgroup(name);
    if (pids.length > 0)
      throw new Unhealthy(`still running in cgroup ${nodeCgroup(name)}: pid ${pids.join(', ')}`);
  };
  await until(isEmpty, { timeoutMs: 10_000 }, new AbortController().signal);
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
  // A new cpuset of v1 has no CPU and no memory node, and accepts no process like that (cpusets.rst).
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    const own = join(group, file);
    if (existsSync(own) && readFileSync(own, 'utf8').trim() === '')
      writeFileSync(own, readFileSync(join(parent, file), 'utf8'));
  }
}

/** Enables every controller of a v2 cgroup for its children. */
function enableControllers(group: string): void {
  const controllers = readFileSync(join(group, 'cgroup.controllers'), 'utf8').split(/\s+/).filter(Boolean);
  writeFileSync(join(group, 'cgroup.subtree_control'), controllers.map((name) => `+${name}`).join(' '));
}

/**
 * The leaf for the processes of a container's root cgroup, as in kind's entrypoint: that is not the real root, and must not
 * contain processes.
 */
const rootLeaf = 'init';

async function enableRootControllers(root: string): Promise<void> {
  const moveAndEnable = async (): Promise<void> => {
    mkdirSync(join(root, rootLeaf), { recursive: true });
    await moveProcesses(await processes(root), join(root, rootLeaf));
    enableControllers(root);
  };
  try {
    enableControllers(root);
  } catch (error) {
    if (!hasErrorCode(error, 'EBUSY')) throw error;
    // Repeatedly: new processes in the container, for example a health check, start in its root.
    await until(moveAndEnable, { timeoutMs: 5000 }, new AbortController().signal);
  }
}
