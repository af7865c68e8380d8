import childProcess from 'node:child_process';
import { EventEmitter } from 'node:events';
import fs from 'node:fs';
import fsPromises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import type { VirtualClock } from './virtualClock.ts';

/** What one process does. Times in ms from its start, unless they say otherwise; Infinity: never. */
export interface Life {
  /** `EAGAIN` may pass, `ENOENT` does not: there is no process. */
  readonly spawn: 'ok' | 'EAGAIN' | 'ENOENT';
  readonly readyMs: number;
  readonly exitMs: number;
  readonly exitCode: number;
  /** From SIGTERM to its exit. */
  readonly termMs: number;
  /** From SIGKILL to its end: a process in uninterruptible sleep ends late. */
  readonly killMs: number;
  /** A process of its group outlives it for so long, and ignores SIGTERM. 0: there is none. */
  readonly orphanMs: number;
  readonly unhealthyMs: number;
  /** How long the probes take; Infinity: they hang, and ignore their signal. */
  readonly probeMs: number;
}

/** A process group: its leader, and perhaps a process that outlives it. */
export interface Group {
  readonly pid: number;
  readonly component: string;
  readonly life: Life;
  readonly startedAt: number;
  leaderRuns: boolean;
  orphanRuns: boolean;
  /** When its last process ended. Undefined while one runs. */
  goneAt: number | undefined;
}

/** The processes of a machine that does not exist, below node:child_process, kill(2) and /proc. */
export class Machine {
  readonly groups: Group[] = [];
  /** Called before each start, and before each signal that a group gets. */
  onSpawn: (component: string) => void = () => undefined;
  onSignal: (group: Group, signal: NodeJS.Signals) => void = () => undefined;
  readonly #clock: VirtualClock;
  readonly #nextLife: (component: string) => Life;

  constructor(clock: VirtualClock, nextLife: (component: string) => Life) {
    this.#clock = clock;
    this.#nextLife = nextLife;
  }

  /** The groups of a component that still have a process. */
  running(component?: string): Group[] {
    return this.groups.filter(
      (group) => (component === undefined || group.component === component) && isRunning(group),
    );
  }

  /** The process of a component that was started last. */
  last(component: string): Group | undefined {
    return this.groups.findLast((group) => group.component === component);
  }

  #spawn(component: string): unknown {
    this.onSpawn(component);
    const life = this.#nextLife(component);
    const child = Object.assign(new EventEmitter(), { exitCode: null, signalCode: null });
    if (life.spawn !== 'ok') {
      const error = Object.assign(new Error(`spawn ${component} ${life.spawn}`), { code: life.spawn });
      process.nextTick(() => child.emit('error', error));
      return child;
    }
    // Above the largest pid of the kernel, so that no signal could ever reach a real process.
    const pid = 10_000_000 + this.groups.length;
    const group: Group = {
      pid,
      component,
      life,
      startedAt: this.#clock.now,
      leaderRuns: true,
      orphanRuns: life.orphanMs > 0,
      goneAt: undefined,
    };
    this.groups.push(group);
    this.#after(life.exitMs, () => this.#exit(group, child, life.exitCode, null));
    children.set(group, child);
    return Object.assign(child, { pid });
  }

  #exit(group: Group, child: EventEmitter, code: number | null, signal: NodeJS.Signals | null): void {
    if (!group.leaderRuns) return;
    group.leaderRuns = false;
    if (group.orphanRuns) this.#after(group.life.orphanMs, () => this.#endOrphan(group));
    else group.goneAt = this.#clock.now;
    Object.assign(child, { exitCode: code, signalCode: signal });
    child.emit('exit', code, signal);
  }

  #endOrphan(group: Group): void {
    group.orphanRuns = false;
    if (!group.leaderRuns) group.goneAt ??= this.#clock.now;
  }

  #kill(target: number, signal: NodeJS.Signals | 0): true {
    const group = this.groups.find(({ pid }) => pid === -target);
    if (group === undefined || !isRunning(group)) throw Object.assign(new Error('ESRCH'), { code: 'ESRCH' });
    if (signal === 0) return true;
    this.onSignal(group, signal);
    const isKill = signal === 'SIGKILL';
    this.#after(isKill ? group.life.killMs : group.life.termMs, () => {
      if (isKill) this.#endOrphan(group);
      this.#exit(group, children.get(group)!, null, signal);
    });
    return true;
  }

  #after(ms: number, act: () => void): void {
    if (ms !== Infinity) this.#clock.set(act, ms);
  }

  /** /proc/PID/stat, proc_pid_stat(5). */
  #stat(path: string): string {
    const pid = Number(path.split('/')[2]);
    const group = this.groups.find((each) => each.pid === pid || each.pid + orphanOffset === pid);
    const runs = group !== undefined && (pid === group.pid ? group.leaderRuns : group.orphanRuns);
    if (!runs || !path.endsWith('/stat')) throw Object.assign(new Error('ENOENT'), { code: 'ENOENT' });
    const { pid: pgrp, component } = group;
    return `${pid} (${component}) S 1 ${pgrp} ${pgrp} 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 ${Number.MAX_SAFE_INTEGER} 0`;
  }

  #pids(): string[] {
    return this.groups.flatMap(({ pid, leaderRuns, orphanRuns }) => [
      ...(leaderRuns ? [`${pid}`] : []),
      ...(orphanRuns ? [`${pid + orphanOffset}`] : []),
    ]);
  }

  /**
   * Takes the place of the real machine in this process: all that starts a process, signals one or looks for one sees this.
   * Returns how to put the real one back. Within it, another machine can take over by {@link takeOver}.
   */
  static install(): () => void {
    const { spawn } = childProcess;
    const { readdir, readFile } = fsPromises;
    const { readFileSync } = fs;
    const kill = process.kill.bind(process);
    Object.assign(childProcess, { spawn: (file: string) => current!.#spawn(file) });
    Object.assign(process, {
      kill: (pid: number, signal: NodeJS.Signals | 0) => current!.#kill(pid, signal),
    });
    Object.assign(fsPromises, {
      readdir: async () => current!.#pids(),
      readFile: async (path: string) => current!.#stat(path),
    });
    Object.assign(fs, {
      readFileSync: (path: string, encoding: 'utf8') =>
        path.startsWith('/proc/') ? '' : readFileSync(path, encoding),
    });
    // Takes a millisecond: too long for each simulation.
    syncBuiltinESMExports();
    return () => {
      Object.assign(childProcess, { spawn });
      Object.assign(process, { kill });
      Object.assign(fsPromises, { readdir, readFile });
      Object.assign(fs, { readFileSync });
      syncBuiltinESMExports();
    };
  }

  takeOver(): void {
    // oxlint-disable-next-line typescript/no-this-alias -- what the replaced functions of Node.js call
    current = this;
  }
}

let current: Machine | undefined;

const children = new WeakMap<Group, EventEmitter>();

/** The pid of a group's other process, from that of its leader. */
const orphanOffset = 1_000_000;

function isRunning({ leaderRuns, orphanRuns }: Group): boolean {
  return leaderRuns || orphanRuns;
}
