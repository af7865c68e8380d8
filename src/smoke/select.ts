import { didYouMean } from '../lib/text/suggest.ts';
import { Failure } from '../lib/errors.ts';
import type { Check } from './check.ts';

/** The names of the checks to run. */
export interface Selection {
  /** Run only these and those they need. Empty: all. */
  readonly only: readonly string[];
  readonly skip: readonly string[];
}

/**
 * The selected checks and the clean-up, in the order of `checks`, in which each comes after those it needs.
 * @throws Failure `usage` for an unknown name, and when the clean-up is to be skipped.
 */
export function select(checks: readonly Check[], { only, skip }: Selection): readonly Check[] {
  const names = checks.map(({ name }) => name);
  for (const name of [...only, ...skip]) {
    if (names.includes(name)) continue;
    throw new Failure('usage', `no check is called "${name}"${didYouMean(name, names)}`, {
      hint: `the checks are: ${names.join(', ')}`,
    });
  }
  const cleanup = checks.find(({ name, last }) => last === true && skip.includes(name));
  if (cleanup !== undefined) {
    throw new Failure('usage', `"${cleanup.name}" cannot be skipped: it removes what the others made`);
  }
  const selected = new Set(only.length > 0 ? only : names);
  // Backwards, so that the needs of a need are added, too.
  for (const { name, needs } of checks.toReversed()) {
    if (selected.has(name)) for (const need of needs) selected.add(need);
  }
  return checks.filter(({ name, last }) => last === true || (selected.has(name) && !skip.includes(name)));
}
