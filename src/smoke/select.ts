import { didYouMean } from '../lib/text/suggest.ts';
import { Failure } from '../lib/errors.ts';
import type { Check } from './check.ts';

/** Which checks to run, by name. */
export interface Selection {
  /** Only these and what they need. Empty: all. */
  readonly only: readonly string[];
  readonly skip: readonly string[];
}

/**
 * The selected checks and the last ones, in the given order, in which each comes after those it needs.
 * @throws Failure `usage` for a name that no check has, and for leaving out one that cannot be.
 */
export function select(checks: readonly Check[], { only, skip }: Selection): readonly Check[] {
  const names = checks.map(({ name }) => name);
  for (const name of [...only, ...skip]) {
    if (names.includes(name)) continue;
    throw new Failure('usage', `no check is called "${name}"${didYouMean(name, names)}`, {
      hint: `the checks are: ${names.join(', ')}`,
    });
  }
  const kept = checks.find(({ name, last }) => last === true && skip.includes(name));
  if (kept !== undefined) {
    throw new Failure('usage', `"${kept.name}" cannot be left out: it removes what the others made`);
  }
  const wanted = new Set(only.length > 0 ? only : names);
  // Backwards, so that what a need needs is seen after it.
  for (const { name, needs } of checks.toReversed()) {
    if (wanted.has(name)) for (const need of needs) wanted.add(need);
  }
  return checks.filter(({ name, last }) => last === true || (wanted.has(name) && !skip.includes(name)));
}
