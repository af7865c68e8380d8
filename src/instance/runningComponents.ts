import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasExited, listPids, readProcessStatSync } from '../../probes/proc.ts';
import { parseJson } from '../../probes/transport/json.ts';
import { writeFileAtomicallySync } from '../lib/atomicFile.ts';
import { nodePaths } from '../lib/paths.ts';

/** A process of a component. */
export interface RunningComponent {
  readonly pid: number;
  /** In clock ticks since the boot of the machine. */
  readonly startTime: number;
  /** Something that changes with what it runs. */
  readonly fingerprint: string;
}

/** What the supervisor of a node without a sandbox records of the processes that it starts: they outlive one that is killed. */
export interface RunningComponents {
  /** The value of {@link markVariable} in the environment of each of them; nobody else knows it. */
  readonly mark: string;
  /** Something that changes with the node: then none of them is of use any more. */
  readonly node: string;
  readonly components: Readonly<Record<string, RunningComponent>>;
}

/** The variable by which the processes of a component, and what they start, are told from others that got their pid. */
export const markVariable = 'K8S_SINGLE_MARK';

export function newMark(): string {
  return randomBytes(16).toString('hex');
}

function file(run: string): string {
  return join(run, 'components.json');
}

/** Whether components of the node may outlive their supervisor: it is recorded which they are. */
export function mayOutlive(run: string): boolean {
  return existsSync(file(run));
}

/** Replaces what is recorded in the run folder. */
export function recordComponents(run: string, recorded: RunningComponents): void {
  // Not durable: after a power cut, none of them runs.
  writeFileAtomicallySync(file(run), JSON.stringify(recorded), { mode: 0o600 });
}

/** What is recorded in a run folder, with only those components that still run; undefined without any. */
export function livingComponents(run: string): RunningComponents | undefined {
  const recorded = readRecord(run);
  if (recorded === undefined) return undefined;
  const living = Object.entries(recorded.components).filter(([, each]) => isAlive(each, recorded.mark));
  return living.length === 0 ? undefined : { ...recorded, components: Object.fromEntries(living) };
}

/**
 * Whether components of a node outlive their supervisor, whose lock nobody holds. Looks at every process, so that it is seen also
 * from outside of the PID namespace that the node runs in, and where its cgroup is not mounted.
 */
export async function isOrphaned(name: string): Promise<boolean> {
  const recorded = readRecord(nodePaths(name).run);
  if (recorded === undefined) return false;
  return (await listPids()).some((pid) => hasMark(Number(pid), recorded.mark));
}

function readRecord(run: string): RunningComponents | undefined {
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same program has written it, atomically
    return parseJson(readFileSync(file(run), 'utf8')) as RunningComponents | undefined;
  } catch {
    return undefined;
  }
}

/** Never true for a process that only has its pid: that one began at another time, and does not have the mark. */
function isAlive({ pid, startTime }: RunningComponent, mark: string): boolean {
  const stat = readProcessStatSync(pid);
  return stat?.starttime === startTime && stat.pgrp === pid && !hasExited(stat) && hasMark(pid, mark);
}

/** A program may overwrite its environment: then nobody can tell whose it is. */
function hasMark(pid: number, mark: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`${markVariable}=${mark}`);
  } catch {
    return false;
  }
}
