import { readFileSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readProcessStatSync } from '../../probes/proc.ts';
import { Unhealthy } from '../../probes/probe.ts';
import { DeadlineExceeded, until } from '../../probes/until.ts';
import { dependencyName, stopDefaults } from '../engine/component.ts';
import type { Component, Program, StopPolicy } from '../engine/component.ts';
import { dependentsOf, sortByDependencies, visitInOrder } from '../engine/graph.ts';
import { kill } from '../host/cgroup/cgroupFiles.ts';
import { componentProcesses, nodeProcesses } from '../host/cgroup/nodeCgroup.ts';
import { writeFileAtomicallySync } from '../lib/atomicFile.ts';

/** How a component is stopped when its supervisor has died: an entry of `stop-order.json` in the run folder. */
interface StopEntry extends StopPolicy {
  readonly name: string;
  readonly needs: readonly string[];
  /** The file to which its processes write, by which they are found. */
  readonly log: string;
}

function orderFile(run: string): string {
  return join(run, 'stop-order.json');
}

/** Records how the components of a graph are stopped, for {@link stopOrphans}. */
export function recordStopOrder(run: string, components: readonly Component[], logs: string): void {
  const entries = sortByDependencies(components).map((component): StopEntry => {
    const { name, needs } = component;
    const { signal = stopDefaults.signal, graceMs = stopDefaults.graceMs } = programOf(component)?.stop ?? {};
    return { name, needs: needs.map(dependencyName), signal, graceMs, log: join(logs, `${name}.log`) };
  });
  writeFileAtomicallySync(orderFile(run), JSON.stringify(entries), { mode: 0o600 });
}

function programOf(component: Component): Program | undefined {
  if (component.kind === 'service') return component;
  return typeof component.run === 'function' ? undefined : component.run;
}

/** Dependencies first. Empty if the supervisor died before it recorded them, or the file is damaged. */
function readStopOrder(run: string): StopEntry[] {
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same program has written it, atomically
    return JSON.parse(readFileSync(orderFile(run), 'utf8')) as StopEntry[];
  } catch {
    return [];
  }
}

/** How long the kernel may take to end what was killed, in ms: its ports are free only then. */
const killedMs = 5000;

/** Of the processes of pods, and others that are no component. */
const othersPolicy: StopPolicy = { signal: 'SIGTERM', graceMs: 10_000 };

const never = new AbortController().signal;

/**
 * Stops what runs in the node's cgroup, except this process, its parent and PID 1: dependents before their dependencies, each with
 * its own signal and grace; processes of pods at once. An API server whose etcd is gone would use up its grace. Resolves with
 * those that had to be killed, or still run: "name (pid N)".
 */
export async function stopOrphans(name: string, run: string): Promise<string[]> {
  return stopInOrder(run, async () => exceptOwn(await nodeProcesses(name)));
}

/**
 * Stops in the same way what a supervisor has started besides these components and the pods: of nobody else can be said what it is
 * for. Pods are left to containerd and the kubelet, like their shims. Resolves as {@link stopOrphans}.
 */
export async function stopStrangers(
  { name, run }: { readonly name: string; readonly run: string },
  components: readonly number[],
): Promise<string[]> {
  const running = async (): Promise<number[]> => exceptOwn(await componentProcesses(name));
  const pids = await running();
  const stats = new Map(pids.map((pid) => [pid, readProcessStatSync(pid)]));
  const isKept = (pid: number): boolean => {
    const stat = stats.get(pid);
    if (stat === undefined) return false;
    return components.includes(stat.pgrp) || stat.comm.startsWith('containerd-shim') || isKept(stat.ppid);
  };
  const strangers = new Set(pids.filter((pid) => !isKept(pid)));
  return stopInOrder(run, async () => (await running()).filter((pid) => strangers.has(pid)));
}

async function stopInOrder(run: string, running: () => Promise<number[]>): Promise<string[]> {
  // The usual case of a clean-up.
  if ((await running()).length === 0) return [];
  const order = readStopOrder(run);
  const entries = new Map(order.map((entry) => [entry.name, entry]));
  const byLog = new Map(order.map((entry) => [identity(entry.log), entry.name]));
  const ownerOf = (pid: number): string | undefined => byLog.get(identity(`/proc/${pid}/fd/1`) ?? '');
  const others = (await running()).filter((pid) => ownerOf(pid) === undefined);
  const late: string[] = [];
  const visit = async (component: string): Promise<void> => {
    const pids = (await running()).filter((pid) => ownerOf(pid) === component);
    const entry = entries.get(component);
    if (pids.length > 0 && entry !== undefined) late.push(...(await stopAll(pids, entry, running)));
  };
  const [lateOthers] = await Promise.all([
    stopAll(others, othersPolicy, running),
    visitInOrder(order.map((entry) => entry.name).toReversed(), dependentsOf(order), visit),
  ]);
  return [...lateOthers, ...late];
}

function exceptOwn(pids: readonly number[]): number[] {
  return pids.filter((pid) => ![1, process.ppid, process.pid].includes(pid));
}

/** Resolves with those that had to be killed, or still run. */
async function stopAll(
  pids: readonly number[],
  { signal, graceMs }: StopPolicy,
  running: () => Promise<readonly number[]>,
): Promise<string[]> {
  if (pids.length === 0) return [];
  // Only once: processes that they start for their own shutdown are not signalled. The second is for one that is stopped.
  for (const each of [signal, 'SIGCONT'] as const) for (const pid of pids) kill(pid, each);
  const left = async (): Promise<number[]> => {
    const alive = new Set(await running());
    return pids.filter((pid) => alive.has(pid));
  };
  const allExited = async (): Promise<void> => {
    if ((await left()).length > 0) throw new Unhealthy('still running');
  };
  const exitWithin = async (timeoutMs: number): Promise<void> =>
    until(allExited, { timeoutMs }, never).catch((error: unknown) => {
      if (!(error instanceof DeadlineExceeded)) throw error;
    });
  await exitWithin(graceMs);
  const rest = await left();
  const late = await Promise.all(rest.map(nameOf));
  for (const pid of rest) kill(pid);
  if (rest.length > 0) await exitWithin(killedMs);
  return late;
}

/** Device and inode of the file behind a path; undefined if there is none. */
function identity(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path);
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}

async function nameOf(pid: number): Promise<string> {
  const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => 'exited');
  return `${name.trim()} (pid ${pid})`;
}
