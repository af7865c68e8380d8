import { readdir, readFile } from 'node:fs/promises';

/** Resource usage of a process group. */
export interface Usage {
  /** Resident memory, in bytes. Memory shared by its processes counts for each of them. */
  readonly memoryBytes: number;
  /** CPU time of the running processes since they started, in ms. */
  readonly cpuMs: number;
  /** Percent of one CPU since the last sample at least a second ago; in the first sample, since the process started. */
  readonly cpuPercent: number;
}

/** The unit of times in /proc is 1/100 s on all common architectures (USER_HZ, proc(5)). */
const msPerTick = 10;
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
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry));
  await Promise.all(
    pids.map(async (pid) => {
      const stat = await readStat(pid);
      if (stat === undefined || !groupIds.has(stat.group)) return;
      const memoryBytes = await residentBytes(pid);
      const group = groups.get(stat.group) ?? { memoryBytes: 0, cpuMs: 0, startedMs: stat.startedMs };
      group.memoryBytes += memoryBytes;
      group.cpuMs += stat.cpuMs;
      group.startedMs = Math.min(group.startedMs, stat.startedMs);
      groups.set(stat.group, group);
    }),
  );
  return groups;
}

/** Fields 5, 14, 15 and 22 of /proc/PID/stat. The second, a name in parentheses, may contain any character. */
async function readStat(
  pid: string,
): Promise<{ group: number; cpuMs: number; startedMs: number } | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const field = (number: number): number => fields[number - 3] ?? 0;
  return { group: field(5), cpuMs: (field(14) + field(15)) * msPerTick, startedMs: field(22) * msPerTick };
}

async function residentBytes(pid: string): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) * 1024;
}

async function uptimeMs(): Promise<number> {
  return Number((await readFile('/proc/uptime', 'utf8')).split(' ')[0]) * 1000;
}
