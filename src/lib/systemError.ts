import { errorCode } from '../../probes/errorCode.ts';

/** Whether an error of the system or of Node.js has one of these codes, such as `ENOENT`. */
export function hasErrorCode(error: unknown, ...codes: readonly string[]): boolean {
  const code = errorCode(error);
  return code !== undefined && codes.includes(code);
}
