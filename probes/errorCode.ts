/** The code of a system, OpenSSL or Node.js error, such as `ENOENT`; empty if there is none. */
export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
