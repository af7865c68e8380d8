import { join } from 'node:path';
import type { Argv } from './tool.ts';

/** What kubelet writes when it starts, all of it the whole machine's (setupKernelTunables in pkg/kubelet/cm). */
const kubeletSysctls = [
  'kernel/keys/root_maxbytes',
  'kernel/keys/root_maxkeys',
  'kernel/panic',
  'kernel/panic_on_oops',
  'vm/overcommit_memory',
  'vm/panic_on_oom',
];

/** The paths of the settings that {@link shadowKubeletSysctls} lays files over. */
export function kubeletSysctlFiles(): string[] {
  return kubeletSysctls.map((name) => join('/proc/sys', name));
}

/** Copies the settings into the stage, one plain file each. */
export function copyKubeletSysctls(stage: string): Argv {
  return ['cp', '--no-preserve=all', '--parents', ...kubeletSysctlFiles(), stage];
}

/** Where {@link copyKubeletSysctls} puts the copy of a setting. */
export function copyOf(tunable: string, stage: string): string {
  return join(stage, tunable);
}

/** Lays plain files over the kernel's settings that kubelet insists on writing, so that the host keeps its own. */
export function shadowKubeletSysctls(stage: string): Argv[] {
  const mounts = kubeletSysctlFiles().map((file): Argv => [
    'mount',
    '--no-mtab',
    '--bind',
    copyOf(file, stage),
    file,
  ]);
  return [copyKubeletSysctls(stage), ...mounts];
}
