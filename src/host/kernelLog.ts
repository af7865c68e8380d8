import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { reasonOf } from '../lib/errors.ts';
import { ok, note } from './checkResult.ts';
import type { CheckResult } from './checkResult.ts';
import type { Argv } from './tool.ts';

/** The kubelet watches it for out-of-memory kills, and does not start without it (oomwatcher.NewWatcher). */
export const kernelLog = '/dev/kmsg';

/** Why the kernel's log cannot be read; `undefined` when it can. */
export function whyNoKernelLog(): string | undefined {
  try {
    // Non-blocking: in a container it may be anything, for example a pipe.
    const file = openSync(kernelLog, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      return fstatSync(file).isCharacterDevice() ? undefined : `${kernelLog} is not a device`;
    } finally {
      closeSync(file);
    }
  } catch (error) {
    return reasonOf(error);
  }
}

/** Mounts an empty file over it: the kubelet reads the end of the log, and continues without it. */
export function emptyKernelLog(stage: string): Argv[] {
  const empty = `${stage}/kmsg`;
  return [
    ['touch', empty, kernelLog],
    ['mount', '--no-mtab', '--bind', empty, kernelLog],
  ];
}

export function checkKernelLog(): CheckResult {
  const subject = 'kernel log';
  const reason = whyNoKernelLog();
  if (reason === undefined) return ok(subject, kernelLog);
  return note(
    subject,
    `none (${reason}): the kubelet gets an empty one, and reports no out-of-memory kills`,
    'in a container, run it with --privileged, or with --device /dev/kmsg',
  );
}
