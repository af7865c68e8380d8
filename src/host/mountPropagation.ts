import { realpath } from 'node:fs/promises';
import { ok, note } from './checkResult.ts';
import type { CheckResult } from './checkResult.ts';
import { mountTable } from './mountTable.ts';

/** Whether what is mounted in the folder shows in other mount namespaces, as volumes with Bidirectional propagation must. */
export async function isShared(folder: string): Promise<boolean> {
  const real = await realpath(folder);
  const around = mountTable()
    .filter(({ mountPoint }) => real === mountPoint || `${real}/`.startsWith(mountPoint.replace(/\/?$/, '/')))
    // Of two mounts on one place the later hides the earlier.
    .reduce((best, mount) => (mount.mountPoint.length >= best.mountPoint.length ? mount : best));
  return around.isShared;
}

/** `made`: it will be made so, because the mounts are those of a container. */
export async function checkMountPropagation(folder: string, made: boolean): Promise<CheckResult> {
  const what = 'mounts';
  if (await isShared(folder)) return ok(what, 'shared');
  if (made) return ok(what, 'private: shared while the node is up');
  return note(what, 'private: hostPath volumes with mount propagation do not work', 'mount --make-rshared /');
}
