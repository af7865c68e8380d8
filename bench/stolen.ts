import { readFileSync } from 'node:fs';

/** Processor time since the machine was booted, all processors together, in ticks. */
interface Times {
  /** What programs and the kernel worked, and waited for a processor that the host had given to others. */
  readonly wanted: number;
  /** What the host gave to others: always 0 on a machine that is not virtual. */
  readonly stolen: number;
}

/** Fields of the first line of /proc/stat, after its name: user, nice, system, idle, iowait, irq, softirq, steal (proc_stat(5)). */
export function processorTimes(): Times {
  const [all = ''] = readFileSync('/proc/stat', 'utf8').split('\n');
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, stolen = 0] = all
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return { wanted: user + nice + system + irq + softirq + stolen, stolen };
}

/** How much of the processor time that was wanted since `before` the host of a virtual machine gave to others, in %. */
export function stolenSince(before: Times): number {
  const { wanted, stolen } = processorTimes();
  return (100 * (stolen - before.stolen)) / Math.max(1, wanted - before.wanted);
}
