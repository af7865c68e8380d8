import { join } from 'node:path';
import type { Argv } from './tool.ts';

/** What kubelet writes when it starts, all of it the whole machine's (setupKernelTunables in pkg/kubelet/cm). */
const tunables = [
  'kernel/keys/root_maxbytes',
  'kernel/keys/root_maxkeys',
  'kernel/panic',
  'kernel/panic_on_oops',
  'vm/overcommit_memory',
  'vm/panic_on_oom',
];

/** The paths of the settings that {@link shadowTunables} lays files over. */
export function tunableFiles(): string[] {
  return tunables.map((name) => join('/proc/sys', name));
}

/** Copies the settings into the stage, one plain file each. */
export function copyTunables(stage: string): Argv {
  return ['cp', '--no-preserve=all', '--parents', ...tunableFiles(), stage];
}

/** Where {@link copyTunables} puts the copy of a setting. */
export function copyOf(tunable: string, stage: string): string {
  return join(stage, tunable);
}

/** Lays plain files over the kernel's settings that kubelet insists on writing, so that the host keeps its own. */
export function shadowTunables(stage: string): Argv[] {
  const mounts = tunableFiles().map((file): Argv => [
    'mount',
    '--no-mtab',
    '--bind',
    copyOf(file, stage),
    file,
  ]);
  return [copyTunables(stage), ...mounts];
}
