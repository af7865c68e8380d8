import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { reasonOf } from '../lib/errors.ts';
import { ok, note } from './checkResult.ts';
import type { CheckResult } from './checkResult.ts';
import type { Argv } from './tool.ts';

/** Where the kubelet reads who ran out of memory; without it, it does not start (oomwatcher.NewWatcher). */
export const kernelLog = '/dev/kmsg';

/** Why the kernel's log cannot be read; `undefined` when it can. */
export function whyNoKernelLog(): string | undefined {
  try {
    // A container may have anything there, a pipe for one.
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

/** Lays an empty file over it: the kubelet finds the end of the log, and goes on without. */
export function emptyKernelLog(stage: string): Argv[] {
  const empty = `${stage}/kmsg`;
  return [
    ['touch', empty, kernelLog],
    ['mount', '--no-mtab', '--bind', empty, kernelLog],
  ];
}

export function checkKernelLog(): CheckResult {
  const what = 'kernel log';
  const reason = whyNoKernelLog();
  if (reason === undefined) return ok(what, kernelLog);
  return note(
    what,
    `none (${reason}): the kubelet gets an empty one, and reports no process that ran out of memory`,
    'in a container, run it with --privileged, or with --device /dev/kmsg',
  );
}
