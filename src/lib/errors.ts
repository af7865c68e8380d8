/**
 * The exit codes of the program, the one table of them. Every error that reaches a person carries one.
 *
 * 1 is a bug in k8s-single itself: anything that is not a {@link Failure}.
 */
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
 * An error for the person who reads it: `message` says what failed and the last reason, `hint` what to do about it.
 * Ends the program with `exitCodes[code]` and without a stack trace.
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

/** The message of anything that was thrown. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
