import { join } from 'node:path';
import type { Argv } from './tool.ts';

/** The sysctls that kubelet writes when it starts, all of them machine-wide (setupKernelTunables in pkg/kubelet/cm). */
const kubeletSysctls = [
  'kernel/keys/root_maxbytes',
  'kernel/keys/root_maxkeys',
  'kernel/panic',
  'kernel/panic_on_oops',
  'vm/overcommit_memory',
  'vm/panic_on_oom',
];

/** The paths over which {@link shadowKubeletSysctls} mounts plain files. */
export function kubeletSysctlFiles(): string[] {
  return kubeletSysctls.map((name) => join('/proc/sys', name));
}

/** Copies the sysctls into the stage, one plain file each. */
export function copyKubeletSysctls(stage: string): Argv {
  return ['cp', '--no-preserve=all', '--parents', ...kubeletSysctlFiles(), stage];
}

/** The path to which {@link copyKubeletSysctls} copies a sysctl's file. */
export function copyOf(file: string, stage: string): string {
  return join(stage, file);
}

/** Mounts plain files over the sysctls that kubelet insists on writing, so that the host keeps its values. */
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
