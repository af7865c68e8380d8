import { existsSync, readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { hierarchies } from '../host/cgroup/hierarchies.ts';
import type { Hierarchy } from '../host/cgroup/hierarchies.ts';

const MiB = 1024 * 1024;

/** What a frozen node takes, in bytes: up to 580 MB (Pss of its processes, see bench/NOTES.md), and something to start in. */
const nodeBytes = 800 * MiB;

/** Some memory, in bytes. */
interface Memory {
  readonly total: number;
  readonly available: number;
}

/** Whether others need memory more than a pool does. */
export function isShort({ total, available }: Memory): boolean {
  return available < shortBytes(total);
}

/** Whether there would be enough after the start of another node, and not only just. */
export function hasRoomForNode({ total, available }: Memory): boolean {
  return available > 2 * shortBytes(total) + nodeBytes;
}

/** Below this much available memory, a twentieth of all, nodes are given up. In bytes. */
function shortBytes(total: number): number {
  return Math.max(256 * MiB, total / 20);
}

/** What can be used before anything is swapped or killed: of the machine, or of a container that has less. */
export function readMemory(): Memory {
  const limits = hierarchies().flatMap((hierarchy) => memoryOfContainer(hierarchy) ?? []);
  const [least] = [memoryOfMachine(), ...limits].toSorted((a, b) => a.available - b.available);
  return least!;
}

/** MemAvailable of /proc/meminfo (proc(5)). */
function memoryOfMachine(): Memory {
  const available = numberIn('/proc/meminfo', /^MemAvailable:\s+(\d+) kB$/m) * 1024;
  return { total: totalmem(), available };
}

/** The files of a cgroup's memory: of v1 (memory.rst) and v2 (cgroup-v2.rst). Page cache that nobody has used lately is freed when there is need. */
const files = {
  1: ['memory.limit_in_bytes', 'memory.usage_in_bytes', /^total_inactive_file (\d+)$/m],
  2: ['memory.max', 'memory.current', /^inactive_file (\d+)$/m],
} as const;

/**
 * What the cgroup at the root of a hierarchy, in which the nodes are, may use. Undefined if that has no limit, as on the host.
 * @internal exported for tests
 */
export function memoryOfContainer({
  root,
  version,
}: Pick<Hierarchy, 'root' | 'version'>): Memory | undefined {
  const [limit, usage, inactive] = files[version];
  if (!existsSync(join(root, limit))) return undefined;
  // Without a limit: 2^63 less a page, or `max`.
  const total = numberIn(join(root, limit), /^(\d+)$/m);
  if (!(total < totalmem())) return undefined;
  const used = numberIn(join(root, usage), /^(\d+)$/m) - numberIn(join(root, 'memory.stat'), inactive);
  return { total, available: total - used };
}

/** NaN if there is none. */
function numberIn(file: string, pattern: RegExp): number {
  return Number(pattern.exec(readFileSync(file, 'utf8'))?.[1] ?? NaN);
}
