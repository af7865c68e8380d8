import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';

const MiB = 1024 * 1024;

/** What a frozen node takes, in bytes: up to 580 MB (Pss of its processes, see bench/NOTES.md), and something to start in. */
const nodeBytes = 800 * MiB;

/** Below this much available memory, a twentieth of the machine's, nodes are given up. In bytes. */
const shortBytes = (): number => Math.max(256 * MiB, totalmem() / 20);

/** MemAvailable of /proc/meminfo (proc(5)), in bytes. */
export function availableMemory(): number {
  const [, kib = '0'] = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8')) ?? [];
  return Number(kib) * 1024;
}

/** Whether others need memory more than a pool does. */
export function isShort(): boolean {
  return availableMemory() < shortBytes();
}

/** Whether there would be enough after the start of another node, and not only just. */
export function hasRoomForNode(): boolean {
  return availableMemory() > 2 * shortBytes() + nodeBytes;
}
