import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { uptime } from 'node:os';
import { join } from 'node:path';
import { hierarchies } from '../src/host/cgroup/hierarchies.ts';
import { nodeCgroup } from '../src/host/cgroup/nodeCgroup.ts';
import type { HostCapabilities } from '../src/host/hostCapabilities.ts';
import { mountsBelow } from '../src/lib/mountTable.ts';
import { kubernetesBinaries } from '../src/install/find/binaries.ts';
import type { NodeFacts } from '../src/kubernetes/facts.ts';
import { nodePaths, packageFile } from '../src/lib/paths.ts';
import { factsOf, unknownHost } from '../src/supervisor/nodeFacts.ts';
import { loadNodeConfig } from '../src/supervisor/options.ts';
import type { UpOptions } from '../src/supervisor/options.ts';
import { resolveBinaries } from '../src/supervisor/resolveBinaries.ts';
import { processTable } from '../test/support/processes.ts';

/** Every competitor brings up a node of this name, one after the other, so that paths and addresses are the same. */
export const nodeName = 'bench';

export const paths = nodePaths(nodeName);

/** The path of the command, as users run it. */
export const executable = packageFile('bin/k8s-single');

/** The defaults: the node that users get. */
export const options: UpOptions = { name: nodeName, install: false, source: 'auto', output: 'plain' };

/** The facts from which the components of a node at this address are created. `host` matters only to components that run. */
export async function factsAt(ip: string, host: HostCapabilities = unknownHost): Promise<NodeFacts> {
  const { node } = await loadNodeConfig(options, ip);
  return factsOf(node, await resolveBinaries(options, node), {
    ...unknownHost,
    ...host,
    ip,
    // As that of `up`: no other machine can join, so nobody waits for a range of pods, which only k8s-single gives a node.
    isSandboxed: true,
    isReachable: false,
  });
}

/** The programs of a node's services. */
export const servicePrograms = ['containerd', 'etcd', ...kubernetesBinaries] as const;

export type ServiceProgram = (typeof servicePrograms)[number];

/** A process of one of the node's services. */
interface ServiceProcess {
  readonly program: ServiceProgram;
  readonly pid: number;
  /** The start time in ms since the epoch, with the resolution of a clock tick. */
  readonly startedAt: number;
}

/** Milliseconds per clock tick: USER_HZ is 100 on all common architectures of Linux (proc(5)). */
export const msPerTick = 10;

/** The running processes of the node's services. */
export async function serviceProcesses(): Promise<ServiceProcess[]> {
  const found: ServiceProcess[] = [];
  const bootedAt = Date.now() - uptime() * 1000;
  for (const { pid, id, command, state, cgroups } of (await processTable()).values()) {
    const file = command.split(' ')[0] ?? '';
    const program = servicePrograms.find((name) => file.endsWith(`/${name}`));
    if (program && state !== 'Z' && cgroups.includes(`/k8s-single-${nodeName}/`))
      found.push({ program, pid, startedAt: bootedAt + Number(id.split(' ')[1]) * msPerTick });
  }
  return found;
}

/**
 * Checks that nothing is left of the node except its data. Does not look for processes: the node's cgroup cannot be removed
 * while one of them exists.
 * @throws Error with what is left
 */
export async function assertNothingLeft(): Promise<void> {
  const cgroups = hierarchies().map(({ root }) => join(root, nodeCgroup(nodeName)));
  const folders = [paths.run, ...cgroups].filter((path) => existsSync(path));
  const mounts = [...(await mountsBelow(paths.run)), ...(await mountsBelow(paths.data))];
  const left = [...folders, ...mounts, ...(await interfaces())];
  if (left.length > 0) throw new Error(`left of the node: ${left.join(', ')}`);
}

async function interfaces(): Promise<string[]> {
  const folder = '/sys/class/net';
  const names = await readdir(folder);
  const aliases = await Promise.all(
    names.map(async (name) => readFile(join(folder, name, 'ifalias'), 'utf8').catch(() => '')),
  );
  return names.filter((_, index) => aliases[index]?.trim() === `k8s-single node ${nodeName}`);
}
