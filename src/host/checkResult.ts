import { Failure } from '../lib/errors.ts';

/** One thing that was looked at, and what is done about it. A `note` does not keep `up` from succeeding. */
export interface Finding {
  readonly is: 'fine' | 'note' | 'problem';
  readonly what: string;
  /** What was found, and where there is a choice, what is chosen. */
  readonly found: string;
  /** What a person can do about it: a command, where one does. */
  readonly mend?: string;
}

export function fine(what: string, found: string): Finding {
  return { is: 'fine', what, found };
}

export function note(what: string, found: string, mend: string): Finding {
  return { is: 'note', what, found, mend };
}

export function problem(what: string, found: string, mend: string): Finding {
  return { is: 'problem', what, found, mend };
}

/** What `up` ends with because of a problem. */
export function failureOf({ what, found, mend }: Finding): Failure {
  return new Failure('preflight', `${what}: ${found}`, mend === undefined ? {} : { hint: mend });
}
