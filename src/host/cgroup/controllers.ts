import { constants, existsSync } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure, reasonOf } from '../../lib/errors.ts';
import { ok, problem } from '../checkResult.ts';
import type { CheckResult } from '../checkResult.ts';
import { hierarchies } from './hierarchies.ts';
import type { Hierarchy } from './hierarchies.ts';

/** Without them the kubelet does not start (validateSystemRequirements in pkg/kubelet/cm), or limits no pod. */
const required = ['cpu', 'cpuset', 'memory', 'pids'];

/** Checks the mounted cgroup hierarchies, and that a node can create its cgroup in each. */
export async function checkCgroups(): Promise<CheckResult> {
  const subject = 'cgroups';
  try {
    const all = hierarchies();
    const controllers = new Set((await Promise.all(all.map(controllersOf))).flat());
    const missing = required.filter((name) => !controllers.has(name));
    if (missing.length > 0) {
      const hint = 'boot the machine with them, or delegate them to the container (systemd: Delegate=yes)';
      return problem(subject, `without the controllers ${missing.join(', ')}`, hint);
    }
    await Promise.all(all.map(async ({ root }) => access(root, constants.W_OK)));
    const versions = [...new Set(all.map(({ version }) => `v${version}`))].sort().join(' and ');
    return ok(
      subject,
      all.some(isDelegated) ? `${versions}: processes move out of the root group` : versions,
    );
  } catch (error) {
    const hint = error instanceof Failure ? error.hint : undefined;
    return problem(subject, reasonOf(error), hint ?? 'in a container, run it with --privileged');
  }
}

async function controllersOf({ root, version, options }: Hierarchy): Promise<readonly string[]> {
  if (version === 1) return options;
  return (await readFile(join(root, 'cgroup.controllers'), 'utf8')).trim().split(' ');
}

/** Only the real root of version 2 has no cgroup.type (cgroup-v2.rst): a root with one is a container's. */
function isDelegated({ root, version }: Hierarchy): boolean {
  return version === 2 && existsSync(join(root, 'cgroup.type'));
}
