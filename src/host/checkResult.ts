import { Failure } from '../lib/errors.ts';

/** One thing that was looked at, and what is done about it. A `note` does not keep `up` from succeeding. */
export interface CheckResult {
  readonly level: 'fine' | 'note' | 'problem';
  readonly subject: string;
  /** What was found, and where there is a choice, what is chosen. */
  readonly message: string;
  /** What a person can do about it: a command, where one does. */
  readonly remedy?: string;
}

export function ok(what: string, found: string): CheckResult {
  return { level: 'fine', subject: what, message: found };
}

export function note(what: string, found: string, mend: string): CheckResult {
  return { level: 'note', subject: what, message: found, remedy: mend };
}

export function problem(what: string, found: string, mend: string): CheckResult {
  return { level: 'problem', subject: what, message: found, remedy: mend };
}

/** What `up` ends with because of a problem. */
export function toFailure({ subject, message, remedy }: CheckResult): Failure {
  return new Failure('preflight', `${subject}: ${message}`, remedy === undefined ? {} : { hint: remedy });
}
