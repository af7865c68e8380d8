import { existsSync } from 'node:fs';
import { mkdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { checkCgroups } from './cgroup/controllers.ts';
import { toFailure } from './checkResult.ts';
import type { CheckResult } from './checkResult.ts';
import { needsOwnMount } from './dataMount.ts';
import { assertInotifyLeft } from './inotify.ts';
import { checkKernelLog, emptyKernelLog, kernelLog, whyNoKernelLog } from './kernelLog.ts';
import { kubeletSysctlFiles, shadowKubeletSysctls } from './kubeletSysctls.ts';
import { checkMountPropagation, isShared } from './mountPropagation.ts';
import { mountTable } from '../lib/mountTable.ts';
import { raiseSysctls } from './sysctls.ts';
import { run as runAll } from './tool.ts';
import { recordUndo } from './undoJournal.ts';

/** The folders of a node without a sandbox. */
interface DirectNode {
  readonly run: string;
  readonly data: string;
  /** The kubelet's folder below `data`. */
  readonly kubelet: string;
  /** Its mounts are a container's, and end with it. */
  readonly inContainer: boolean;
}

/**
 * Prepares this host or container for a node without a sandbox: changes only what a check has shown to be missing, and records
 * each change in the undo journal in the run folder first. Resolves with the results of the checks.
 * @throws Failure `preflight` with what to do when it cannot be prepared.
 */
export async function prepareHost({ run, data, kubelet, inContainer }: DirectNode): Promise<CheckResult[]> {
  const cgroups = await checkCgroups();
  if (cgroups.level === 'problem') throw toFailure(cgroups);
  const stage = join(run, 'stage');
  await mkdir(stage, { recursive: true });
  await mkdir(kubelet, { recursive: true, mode: 0o700 });
  const results = await raiseSysctls(run);
  assertInotifyLeft();
  // Where nothing is shared, the kubelet mounts its folder on itself (MakeRShared in k8s.io/utils/mount).
  const real = await realpath(kubelet);
  const isMounted = mountTable().some(({ mountPoint }) => mountPoint === real);
  if (!isMounted) await recordUndo(run, { kind: 'mount', target: real });
  for (const folder of [kubelet, join(data, 'containerd')]) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    if (!needsOwnMount(folder)) continue;
    const target = await realpath(folder);
    if (target !== real) await recordUndo(run, { kind: 'mount', target });
    // Not in the peer group of the mount below: each volume would be mounted twice.
    await runAll(
      ['mount', '--no-mtab', '--bind', target, target],
      ['mount', '--no-mtab', '--make-private', target],
      ['mount', '--no-mtab', '--make-shared', target],
    );
  }
  // The kubelet insists on writing them; they are machine-wide and, in some containers, read-only.
  await recordUndo(run, ...kubeletSysctlFiles().map((target) => ({ kind: 'mount', target }) as const));
  await runAll(...shadowKubeletSysctls(stage));
  results.push(checkKernelLog());
  if (whyNoKernelLog() !== undefined) {
    if (!existsSync(kernelLog)) await recordUndo(run, { kind: 'file', path: kernelLog });
    await recordUndo(run, { kind: 'mount', target: kernelLog });
    await runAll(...emptyKernelLog(stage));
  }
  results.push(await checkMountPropagation(data, inContainer));
  if (inContainer && !(await isShared(data))) await runAll(['mount', '--no-mtab', '--make-rshared', '/']);
  return results;
}
