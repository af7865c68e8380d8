import { errorCode } from '../../probes/errorCode.ts';

/** Whether a call of the operating system has failed: the fault of a disk or a network, not of the program. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error;
}

/** Whether an error of the system or of Node.js has one of these codes, such as `ENOENT`. */
export function hasErrorCode(error: unknown, ...codes: readonly string[]): boolean {
  const code = errorCode(error);
  return code !== undefined && codes.includes(code);
}
