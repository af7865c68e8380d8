import { readFile } from 'node:fs/promises';
import { listPids, msPerTick, readProcessStat } from '../../../probes/proc.ts';

/** Resource usage of a process group. */
export interface Usage {
  /** Resident memory, in bytes. Memory shared by its processes counts for each of them. */
  readonly memoryBytes: number;
  /** CPU time of the running processes since they started, in ms. */
  readonly cpuMs: number;
  /** Percent of one CPU since the last sample at least a second ago; in the first sample, since the process started. */
  readonly cpuPercent: number;
}

/** Samples closer together say nothing about the load. */
const minSpanMs = 1000;

/** Returns a function from process group IDs to their usage. Reads /proc, so it must run in their PID namespace. */
export function usageSampler(): (pids: readonly number[]) => Promise<ReadonlyMap<number, Usage>> {
  let last = new Map<number, { at: number; cpuMs: number; percent: number }>();
  return async (pids) => {
    const groups = await readGroups(new Set(pids));
    const now = await uptimeMs();
    const samples = new Map<number, { at: number; cpuMs: number; percent: number }>();
    const usages = new Map<number, Usage>();
    for (const [pid, { memoryBytes, cpuMs, startedMs }] of groups) {
      const since = last.get(pid) ?? { at: startedMs, cpuMs: 0, percent: 0 };
      const fresh = now - since.at >= minSpanMs || !last.has(pid);
      const percent = fresh
        ? Math.max(0, (100 * (cpuMs - since.cpuMs)) / Math.max(1, now - since.at))
        : since.percent;
      samples.set(pid, fresh ? { at: now, cpuMs, percent } : since);
      usages.set(pid, { memoryBytes, cpuMs, cpuPercent: Math.round(percent * 10) / 10 });
    }
    last = samples;
    return usages;
  };
}

interface Group {
  memoryBytes: number;
  cpuMs: number;
  /** When its oldest process started, in ms since the machine booted. */
  startedMs: number;
}

async function readGroups(groupIds: ReadonlySet<number>): Promise<Map<number, Group>> {
  const groups = new Map<number, Group>();
  if (groupIds.size === 0) return groups;
  await Promise.all(
    (await listPids()).map(async (pid) => {
      const stat = await readProcessStat(pid);
      if (stat === undefined || !groupIds.has(stat.pgrp)) return;
      const memoryBytes = await residentBytes(pid);
      const startedMs = stat.starttime * msPerTick;
      const group = groups.get(stat.pgrp) ?? { memoryBytes: 0, cpuMs: 0, startedMs };
      group.memoryBytes += memoryBytes;
      group.cpuMs += (stat.utime + stat.stime) * msPerTick;
      group.startedMs = Math.min(group.startedMs, startedMs);
      groups.set(stat.pgrp, group);
    }),
  );
  return groups;
}

async function residentBytes(pid: string): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) * 1024;
}

async function uptimeMs(): Promise<number> {
  return Number((await readFile('/proc/uptime', 'utf8')).split(' ')[0]) * 1000;
}
