import { existsSync } from 'node:fs';
import { mkdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { recordUndo } from './undoJournal.ts';
import { checkCgroups } from './cgroup/controllers.ts';
import { toFailure } from './checkResult.ts';
import type { CheckResult } from './checkResult.ts';
import { emptyKernelLog, checkKernelLog, kernelLog, whyNoKernelLog } from './kernelLog.ts';
import { raiseSysctls } from './sysctls.ts';
import { mountTable } from './mountTable.ts';
import { checkMountPropagation, isShared } from './mountPropagation.ts';
import { run as runAll } from './tool.ts';
import { shadowKubeletSysctls, kubeletSysctlFiles } from './tunables.ts';

/** Where a node runs without a box. */
interface Place {
  readonly run: string;
  readonly data: string;
  /** The kubelet's folder below it. */
  readonly kubelet: string;
  /** Its mounts are a container's, and go with it. */
  readonly inContainer: boolean;
}

/**
 * Makes what is around this process fit for a node, as far as it is not: each thing because a look has shown it. What is
 * changed is written down in the run folder and taken back with the node's traces. Resolves with what was found.
 * @throws Failure `preflight` with what to do when it cannot be made fit.
 */
export async function prepareHost({ run, data, kubelet, inContainer }: Place): Promise<CheckResult[]> {
  const cgroups = await checkCgroups();
  if (cgroups.level === 'problem') throw toFailure(cgroups);
  const stage = join(run, 'stage');
  await mkdir(stage, { recursive: true });
  await mkdir(kubelet, { recursive: true, mode: 0o700 });
  const findings = await raiseSysctls(run);
  // Where nothing is shared the kubelet mounts its folder on itself (MakeRShared in k8s.io/utils/mount).
  const real = await realpath(kubelet);
  const isMounted = mountTable().some(({ mountPoint }) => mountPoint === real);
  if (!isMounted) await recordUndo(run, { kind: 'mount', place: real });
  // The kubelet insists on writing them, and they are the whole machine's; in some containers they are read-only.
  await recordUndo(run, ...kubeletSysctlFiles().map((place) => ({ kind: 'mount', place }) as const));
  await runAll(...shadowKubeletSysctls(stage));
  findings.push(checkKernelLog());
  if (whyNoKernelLog() !== undefined) {
    if (!existsSync(kernelLog)) await recordUndo(run, { kind: 'file', path: kernelLog });
    await recordUndo(run, { kind: 'mount', place: kernelLog });
    await runAll(...emptyKernelLog(stage));
  }
  findings.push(await checkMountPropagation(data, inContainer));
  if (inContainer && !(await isShared(data))) await runAll(['mount', '--no-mtab', '--make-rshared', '/']);
  return findings;
}
