import type { z } from 'zod';
import type { YamlFile } from './document.ts';
import type { Problems } from './problems.ts';

/** Longer texts are not quoted in a message. */
const quotable = 60;

/** Notes what a schema found in `file`, each at its place, in the words of {@link file://./fields.ts}. */
export function addIssues(issues: readonly z.core.$ZodIssue[], file: YamlFile, problems: Problems): void {
  for (const issue of issues) {
    const path = issue.path.join('.');
    const label = path === '' ? '' : `${path}: `;
    if (issue.code === 'unrecognized_keys') {
      const messages = issue.message.split('\n');
      for (const [index, key] of issue.keys.entries())
        problems.add(file.positionOfKey(issue.path, key), `${label}${messages[index]}`);
    } else {
      problems.add(file.positionOf(issue.path), `${label}${issue.message}${butIs(issue, file)}`);
    }
  }
}

/** What stands there instead of what was expected. */
function butIs(issue: z.core.$ZodIssue, file: YamlFile): string {
  if (!issue.message.startsWith('expected ') || (issue.code === 'custom' && issue.path.length === 0))
    return '';
  const source = file.sourceOf(issue.path);
  if (source !== undefined) return source.length <= quotable ? `, not "${source}"` : '';
  if (issue.input === undefined) return ', which is missing';
  return Array.isArray(issue.input) ? ', not a list' : '';
}
