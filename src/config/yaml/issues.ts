import type { z } from 'zod';
import type { Problems } from './problems.ts';
import type { Source } from './source.ts';

/** Longer texts are not quoted in a message. */
const quotable = 60;

/** Notes what a schema found in `source`, each at its place, in the words of {@link file://./fields.ts}. */
export function addIssues(issues: readonly z.core.$ZodIssue[], source: Source, problems: Problems): void {
  for (const issue of issues) {
    const path = issue.path.join('.');
    const label = path === '' ? '' : `${path}: `;
    if (issue.code === 'unrecognized_keys') {
      const messages = issue.message.split('\n');
      for (const [index, key] of issue.keys.entries())
        problems.add(source.positionOfKey(issue.path, key), `${label}${messages[index]}`);
    } else {
      problems.add(source.positionOf(issue.path), `${label}${issue.message}${butIs(issue, source)}`);
    }
  }
}

/** What stands there instead of what was expected. */
function butIs(issue: z.core.$ZodIssue, source: Source): string {
  if (!issue.message.startsWith('expected ') || (issue.code === 'custom' && issue.path.length === 0))
    return '';
  const text = source.sourceOf(issue.path);
  if (text !== undefined) return text.length <= quotable ? `, not "${text}"` : '';
  if (issue.input === undefined) return ', which is missing';
  return Array.isArray(issue.input) ? ', not a list' : '';
}
