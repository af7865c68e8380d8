import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Unhealthy } from '../../../probes/probe.ts';
import { until } from '../../../probes/until.ts';
import { Failure } from '../../lib/errors.ts';
import { hierarchies } from './hierarchies.ts';
import { nodeCgroup } from './nodeCgroup.ts';

/** How long the kernel may take until every task stands still, in ms: one in uninterruptible sleep has to leave it first. */
const freezesWithinMs = 10_000;

/**
 * Stops every process of a node where it is, until {@link thawNode}: it keeps its memory and takes no processor time. On v1 the
 * node does not die by SIGKILL then (freezer-subsystem.rst), on v2 it does.
 * @throws Failure `preflight` without a freezer; DeadlineExceeded
 */
export async function freezeNode(name: string): Promise<void> {
  const { control, frozen } = freezerOf(name);
  await writeFile(control, frozen);
  const isStill = async (): Promise<void> => {
    if (!(await isNodeFrozen(name))) throw new Unhealthy(`node ${name} is still being frozen`);
  };
  await until(isStill, { timeoutMs: freezesWithinMs }, new AbortController().signal);
}

/**
 * Whether every process of the node stands still.
 * @internal exported for tests
 */
export async function isNodeFrozen(name: string): Promise<boolean> {
  const { state, isFrozen } = freezerOf(name);
  return isFrozen.test(await readFile(state, 'utf8'));
}

/** Lets it go on. */
export async function thawNode(name: string): Promise<void> {
  const { control, thawed } = freezerOf(name);
  await writeFile(control, thawed);
}

/** The files of the freezer of a node: that of v1 where there is one, as v2 then has no controllers. */
function freezerOf(name: string) {
  const all = hierarchies();
  const v1 = all.find(({ version, options }) => version === 1 && options.includes('freezer'));
  if (v1 !== undefined) {
    const control = join(v1.root, nodeCgroup(name), 'freezer.state');
    return { control, state: control, frozen: 'FROZEN', thawed: 'THAWED', isFrozen: /^FROZEN$/m };
  }
  const v2 = all.find(({ version }) => version === 2);
  const group = v2 && join(v2.root, nodeCgroup(name));
  if (group === undefined || !existsSync(join(group, 'cgroup.freeze'))) throw noFreezer();
  const control = join(group, 'cgroup.freeze');
  return { control, state: join(group, 'cgroup.events'), frozen: '1', thawed: '0', isFrozen: /^frozen 1$/m };
}

function noFreezer(): Failure {
  return new Failure('preflight', 'this machine cannot freeze processes: it has no freezer of cgroups', {
    hint: 'cgroup v2 has it since Linux 5.2; on v1: mount -t cgroup -o freezer freezer /sys/fs/cgroup/freezer',
  });
}
