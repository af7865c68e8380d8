import { realpath } from 'node:fs/promises';
import { ok, note } from './checkResult.ts';
import type { CheckResult } from './checkResult.ts';
import { containingMount } from '../lib/mountTable.ts';

/** Whether mounts in the folder propagate to other mount namespaces, as volumes with Bidirectional propagation require. */
export async function isShared(folder: string): Promise<boolean> {
  return containingMount(await realpath(folder)).isShared;
}

/** `inContainer`: `up` makes the mounts shared, because they are the container's. */
export async function checkMountPropagation(folder: string, inContainer: boolean): Promise<CheckResult> {
  const subject = 'mounts';
  if (await isShared(folder)) return ok(subject, 'shared');
  if (inContainer) return ok(subject, 'private: shared while the node is up');
  return note(
    subject,
    'private: hostPath volumes with mount propagation do not work',
    'mount --make-rshared /',
  );
}
