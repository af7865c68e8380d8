/** All exit codes of the program. 1 is a bug in k8s-single itself: any error that is not a {@link Failure}. */
export const exitCodes = {
  ok: 0,
  bug: 1,
  usage: 2,
  preflight: 3,
  notReady: 4,
  crashLoop: 5,
  install: 6,
  smoke: 7,
} as const;

/** The kind of a {@link Failure}: a name in {@link exitCodes}. */
export type FailureCode = Exclude<keyof typeof exitCodes, 'ok' | 'bug'>;

/**
 * An error for the user: `message` is what failed with the last reason, `hint` is how to fix it. The program exits with
 * `exitCodes[code]`, without a stack trace.
 */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly code: FailureCode;
  readonly hint: string | undefined;

  constructor(code: FailureCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }
}

/** The message of any thrown value. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
