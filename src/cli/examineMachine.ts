import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { examineCgroups } from '../isolate/controllers.ts';
import { fine } from '../isolate/finding.ts';
import type { Finding } from '../isolate/finding.ts';
import { examineKernelLog } from '../isolate/kernelLog.ts';
import { examineKernelSettings } from '../isolate/kernelSettings.ts';
import { assertNotOfAnother } from '../isolate/lock.ts';
import { examineOomScore } from '../isolate/oomScore.ts';
import { ownAddress } from '../isolate/ownAddress.ts';
import { examinePropagation } from '../isolate/propagation.ts';
import { examineOpenFiles, examineSwap } from '../isolate/resources.ts';
import { chooseSnapshotter, existing, snapshotterFinding } from '../isolate/snapshotter.ts';
import type { Paths } from '../paths.ts';
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
