import { constants, existsSync } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure, reasonOf } from '../../lib/errors.ts';
import { ok, problem } from '../checkResult.ts';
import type { CheckResult } from '../checkResult.ts';
import { hierarchies } from './hierarchies.ts';
import type { Hierarchy } from './hierarchies.ts';

/** Without these the kubelet does not start (validateSystemRequirements in pkg/kubelet/cm), or limits no pod. */
const needed = ['cpu', 'cpuset', 'memory', 'pids'];

/** Which cgroups there are, and whether a node can have its own there. */
export async function checkCgroups(): Promise<CheckResult> {
  const what = 'cgroups';
  try {
    const all = hierarchies();
    const found = await Promise.all(all.map(controllersOf));
    const missing = needed.filter((name) => !found.flat().includes(name));
    if (missing.length > 0) {
      const hint = 'boot the machine with them, or delegate them to the container (systemd: Delegate=yes)';
      return problem(what, `without the controllers ${missing.join(', ')}`, hint);
    }
    await Promise.all(all.map(async ({ root }) => access(root, constants.W_OK)));
    const versions = [...new Set(all.map(({ version }) => `v${version}`))].sort().join(' and ');
    return ok(what, all.some(isDelegated) ? `${versions}: processes move out of the root group` : versions);
  } catch (error) {
    const hint = error instanceof Failure ? error.hint : undefined;
    return problem(what, reasonOf(error), hint ?? 'in a container, run it with --privileged');
  }
}

async function controllersOf({ root, version, options }: Hierarchy): Promise<readonly string[]> {
  if (version === 1) return options;
  return (await readFile(join(root, 'cgroup.controllers'), 'utf8')).trim().split(' ');
}

/** The real root of version 2 has no type (cgroup-v2.rst): where there is one, it is a container's. */
function isDelegated({ root, version }: Hierarchy): boolean {
  return version === 2 && existsSync(join(root, 'cgroup.type'));
}
