import { Failure, reasonOf } from '../lib/errors.ts';
import { hasErrorCode } from '../lib/systemError.ts';

/** What tar says. */
export const fullDisk = /No space left on device|Wrote only \d+ of \d+ bytes/;

/** The failure that says what to do when the disk does not take a file, if that is what the error means. */
export function diskFailure(error: unknown, file: string, bytes?: number): Failure | undefined {
  // Of a program such as tar, only its output says so.
  const isOfProgram = error instanceof Failure && fullDisk.test(error.message);
  if (isOfProgram || hasErrorCode(error, 'ENOSPC', 'EDQUOT', 'EFBIG')) {
    const size = bytes === undefined ? '' : `, which has ${Math.ceil(bytes / 2 ** 20)} MiB`;
    return new Failure('install', `no space is left for ${file}${size}`, {
      hint: 'free disk space (k8s-single install --prune), or set XDG_CACHE_HOME to a folder on a larger disk',
      cause: error,
    });
  }
  if (hasErrorCode(error, 'EROFS', 'EACCES', 'EPERM', 'EIO')) {
    return new Failure('install', `cannot write ${file}: ${reasonOf(error)}`, {
      hint: 'set XDG_CACHE_HOME to a folder that can be written',
      cause: error,
    });
  }
  return undefined;
}
