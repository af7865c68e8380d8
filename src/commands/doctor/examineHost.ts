import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { examineCgroups } from '../../host/cgroup/controllers.ts';
import { fine } from '../../host/checkResult.ts';
import type { Finding } from '../../host/checkResult.ts';
import { examineKernelLog } from '../../host/kernelLog.ts';
import { examineKernelSettings } from '../../host/sysctls.ts';
import { assertNotOfAnother } from '../../instance/lock.ts';
import { examineOomScore } from '../../host/oomScore.ts';
import { ownAddress } from '../../host/ownAddress.ts';
import { examinePropagation } from '../../host/mountPropagation.ts';
import { examineOpenFiles, examineSwap } from '../../host/resources.ts';
import { chooseSnapshotter, existing, snapshotterFinding } from '../../host/snapshotter.ts';
import type { Paths } from '../../lib/paths.ts';
import { attempt } from './attempt.ts';

/** Where and how a node would run. */
export interface Plan {
  readonly name: string;
  readonly paths: Paths;
  /** Without a box, in a container or on the host itself. */
  readonly isHere: boolean;
  readonly inContainer: boolean;
}

/** Looks at what `up` decides by looking, and says what it would decide. */
export async function examineMachine({ name, paths, isHere, inContainer }: Plan): Promise<Finding[]> {
  const { data, containerd } = paths;
  const here = [
    attempt('address', async () => examineAddress(paths)),
    attempt('mounts', async () => examinePropagation(existing(data), inContainer)),
  ];
  return [
    await examineCgroups(),
    ...(await examineKernelSettings(isHere)),
    examineKernelLog(),
    examineOomScore(),
    await examineOpenFiles(),
    await examineSwap(),
    ...(isHere ? await Promise.all(here) : []),
    await attempt('snapshotter', async () => snapshotterFinding(await chooseSnapshotter(containerd), data)),
    await attempt('data', async () => {
      await assertNotOfAnother(data, name);
      return fine('data', data);
    }),
  ];
}

/** The node keeps its data when its address is another one, as that of a new container is. */
async function examineAddress({ kubeconfigs }: Paths): Promise<Finding> {
  const now = await ownAddress();
  const text = await readFile(join(kubeconfigs, 'admin.conf'), 'utf8').catch(() => '');
  const last = /server: https:\/\/([^:\s]+)/.exec(text)?.[1];
  const change =
    last === undefined || last === now ? '' : `, the last time ${last}: certificates are issued anew`;
  return fine('address', `${now}${change}`);
}
