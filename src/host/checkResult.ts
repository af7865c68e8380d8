import { Failure } from '../lib/errors.ts';

/** The result of checking one property of the host. `up` succeeds despite a `note`. */
export interface CheckResult {
  readonly level: 'ok' | 'note' | 'problem';
  readonly subject: string;
  /** What was found and, where there is a choice, what is chosen. */
  readonly message: string;
  /** How to fix it: a command, where one does. */
  readonly remedy?: string;
}

export function ok(subject: string, message: string): CheckResult {
  return { level: 'ok', subject, message };
}

export function note(subject: string, message: string, remedy: string): CheckResult {
  return { level: 'note', subject, message, remedy };
}

export function problem(subject: string, message: string, remedy: string): CheckResult {
  return { level: 'problem', subject, message, remedy };
}

/** The error with which `up` fails because of a problem. */
export function toFailure({ subject, message, remedy }: CheckResult): Failure {
  return new Failure('preflight', `${subject}: ${message}`, remedy === undefined ? {} : { hint: remedy });
}
