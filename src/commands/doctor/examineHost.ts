import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkCgroups } from '../../host/cgroup/controllers.ts';
import { ok } from '../../host/checkResult.ts';
import type { CheckResult } from '../../host/checkResult.ts';
import { checkKernelLog } from '../../host/kernelLog.ts';
import { checkSysctls } from '../../host/sysctls.ts';
import { assertNotInUseByOther } from '../../instance/lock.ts';
import { checkOomScore } from '../../host/oomScore.ts';
import { ownAddress } from '../../host/ownAddress.ts';
import { checkMountPropagation } from '../../host/mountPropagation.ts';
import { checkOpenFiles, checkSwap } from '../../host/resources.ts';
import { chooseSnapshotter, nearestExisting, snapshotterResult } from '../../host/snapshotter.ts';
import type { Paths } from '../../lib/paths.ts';
import { checkSafely } from './attempt.ts';

/** Where and how a node would run. */
export interface HostCheckOptions {
  readonly name: string;
  readonly paths: Paths;
  /** Without a box, in a container or on the host itself. */
  readonly isDirect: boolean;
  readonly inContainer: boolean;
}

/** Looks at what `up` decides by looking, and says what it would decide. */
export async function checkHost({
  name,
  paths,
  isDirect,
  inContainer,
}: HostCheckOptions): Promise<CheckResult[]> {
  const { data, containerd } = paths;
  const here = [
    checkSafely('address', async () => checkAddress(paths)),
    checkSafely('mounts', async () => checkMountPropagation(nearestExisting(data), inContainer)),
  ];
  return [
    await checkCgroups(),
    ...(await checkSysctls(isDirect)),
    checkKernelLog(),
    checkOomScore(),
    await checkOpenFiles(),
    await checkSwap(),
    ...(isDirect ? await Promise.all(here) : []),
    await checkSafely('snapshotter', async () =>
      snapshotterResult(await chooseSnapshotter(containerd), data),
    ),
    await checkSafely('data', async () => {
      await assertNotInUseByOther(data, name);
      return ok('data', data);
    }),
  ];
}

/** The node keeps its data when its address is another one, as that of a new container is. */
async function checkAddress({ kubeconfigs }: Paths): Promise<CheckResult> {
  const now = await ownAddress();
  const text = await readFile(join(kubeconfigs, 'admin.conf'), 'utf8').catch(() => '');
  const last = /server: https:\/\/([^:\s]+)/.exec(text)?.[1];
  const change =
    last === undefined || last === now ? '' : `, the last time ${last}: certificates are issued anew`;
  return ok('address', `${now}${change}`);
}
