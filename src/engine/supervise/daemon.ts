import { readFileSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { Unhealthy } from '../../../probes/probe.ts';
import { listPids, msPerTick, readProcessStat } from '../../../probes/proc.ts';
import type { ProcessStat } from '../../../probes/proc.ts';
import { until } from '../../../probes/until.ts';
import type { Command } from '../component.ts';
import { commandLine, holdsSocket, listeningSockets } from './ports.ts';

/** A process that runs on after the program that started it has exited. */
export interface Daemon {
  /** `pid 123 (nginx ...)`. */
  readonly label: string;
  /** Its process group. */
  readonly group: number;
}

/** How long a daemon may take from the exit of its parent until it has left its process group and listens, in ms. */
const settleTimeoutMs = 500;

/**
 * The process as which a program runs on in the background, after its first process `leader` has exited with code 0.
 * That is one with the same command line and a session of its own (daemon(3)). Or it listens on a socket, and either is in
 * the process group or has the name of a program in the command or in its script: nginx and others change their command
 * lines. `since`: when the program was started, in ms of `performance.now()`. Undefined also when the signal aborts.
 */
export async function findDaemon(
  leader: number,
  command: Command,
  since: number,
  signal: AbortSignal,
): Promise<Daemon | undefined> {
  let found: Suspect | undefined;
  const isSettled = async (): Promise<void> => {
    const suspects = await findSuspects(leader, command, since);
    found = suspects.find((each) => each.isSameCommand && each.isDetached) ?? (await firstListener(suspects));
    // A fork may be just before setsid(2), and would escape the stop of its group.
    if (suspects.length === 0 || found?.isDetached === true) return;
    throw new Unhealthy('it may still leave its process group, or listen');
  };
  await until(isSettled, { timeoutMs: settleTimeoutMs }, signal).catch(() => undefined);
  return found && { label: `pid ${found.pid} (${await commandLine(found.pid)})`, group: found.pgrp };
}

interface Suspect {
  readonly pid: string;
  readonly pgrp: number;
  readonly isSameCommand: boolean;
  /** It has left the process group. */
  readonly isDetached: boolean;
}

async function firstListener(suspects: readonly Suspect[]): Promise<Suspect | undefined> {
  const sockets = suspects.length > 0 ? listeningSockets() : new Set<string>();
  for (const suspect of suspects) if (await holdsSocket(suspect.pid, sockets)) return suspect;
  return undefined;
}

/** The processes that may be descendants of the leader, whose parent is gone. */
async function findSuspects(leader: number, command: Command, since: number): Promise<Suspect[]> {
  const startedMs = uptimeMs() - (performance.now() - since) - msPerTick;
  const adopters = await ancestors();
  const words = [command.file, ...command.args];
  const argv = words.join('\0');
  const names = namesIn([...words, ...scriptsIn(command)]);
  const suspects = (await listPids()).map(async (pid): Promise<Suspect | undefined> => {
    const stat = await readProcessStat(pid);
    if (stat === undefined || stat.state === 'Z' || stat.starttime * msPerTick < startedMs) return undefined;
    const { pgrp, comm } = stat;
    const isDetached = pgrp !== leader;
    if (isDetached && !isOrphan(stat, adopters)) return undefined;
    const isSameCommand = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')) === `${argv}\0`;
    if (isDetached && !isSameCommand && !names.has(comm)) return undefined;
    return { pid, pgrp, isSameCommand, isDetached };
  });
  return (await Promise.all(suspects)).filter((one) => one !== undefined);
}

/** What may be the name of a process, as the kernel shortens it (TASK_COMM_LEN). */
function namesIn(texts: readonly string[]): Set<string> {
  return new Set(
    texts.flatMap((each) => each.split(/[\s'";&|()]+/)).map((word) => basename(word).slice(0, 15)),
  );
}

/** A script of more bytes is not read: it is a program packed into one, or no script. */
const maxScriptBytes = 256 * 1024;

/** The texts of the scripts that the command names by a path. */
function scriptsIn({ file, args, cwd = '.' }: Command): string[] {
  return [file, ...args]
    .filter((word) => word.includes('/'))
    .map((word) => scriptText(resolve(cwd, word)))
    .filter((text) => text.startsWith('#!'));
}

/** Empty if it is no script, or cannot be read. */
function scriptText(path: string): string {
  try {
    const stat = statSync(path);
    return stat.isFile() && stat.size <= maxScriptBytes ? readFileSync(path, 'utf8') : '';
  } catch {
    return '';
  }
}

/** Whether one of the adopters is its parent, and its session is not theirs: that of a terminal or of this program. */
function isOrphan({ ppid, pgrp, session }: ProcessStat, adopters: ReadonlyMap<number, number>): boolean {
  return pgrp > 1 && adopters.has(ppid) && ![...adopters.values()].includes(session);
}

/**
 * The ancestors of this process, each with its session. Orphans are adopted by one of them: PID 1 or a child subreaper
 * (prctl(2)). Children of this process are no orphans but other components.
 */
async function ancestors(): Promise<Map<number, number>> {
  const found = new Map<number, number>();
  let stat = await readProcessStat(String(process.pid));
  while (stat !== undefined && stat.ppid > 0) {
    const { ppid } = stat;
    stat = await readProcessStat(String(ppid));
    found.set(ppid, stat?.session ?? 0);
  }
  return found;
}

function uptimeMs(): number {
  return Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000;
}
