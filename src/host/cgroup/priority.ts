import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hierarchies } from './hierarchies.ts';
import { nodeCgroup } from './nodeCgroup.ts';

/** The share of a cgroup among those that want a processor: of v1 (sched-design-CFS.rst) and v2 (cgroup-v2.rst). 1024 and 100 are usual. */
const shares = {
  low: { 'cpu.shares': '102', 'cpu.weight': '10' },
  normal: { 'cpu.shares': '1024', 'cpu.weight': '100' },
} as const;

/** Says how much of the processors a node gets while others want them, too. Does nothing where there is no such controller. */
export async function setNodePriority(name: string, priority: keyof typeof shares): Promise<void> {
  for (const { root } of hierarchies()) {
    for (const [file, value] of Object.entries(shares[priority])) {
      const path = join(root, nodeCgroup(name), file);
      if (existsSync(path)) await writeFile(path, value);
    }
  }
}
