import { Document, isCollection, isMap, isPair, isScalar } from 'yaml';
import type { Program } from './program.ts';

/** A list or a map up to this long is written on one line. */
const oneLine = 90;

const introduction = `Imported from supervisord. There everything starts at once, and what starts too early dies until it does not. Say what is
true instead: what a program needs before it can usefully start, and how one sees that it is ready:

    needs: [database]
    ready: { tcp: 5432 }`;

/** The YAML of a graph of these programs, in their order, with what was lost as comments. */
export function writeComponents(programs: readonly Program[], others: readonly string[]): string {
  const components = Object.fromEntries(programs.map(({ name, component }) => [name, component]));
  const document = new Document({ kubernetes: false, components });
  document.commentBefore = comment(
    [introduction, ...others.map((other) => `Not imported: ${other}.`)].join('\n\n'),
  );
  const map = document.get('components');
  if (!isMap(map)) throw new TypeError('components is no map');
  for (const [index, pair] of map.items.entries()) {
    const program = programs[index];
    if (!isPair(pair) || !isScalar(pair.key) || !isMap(pair.value) || program === undefined) continue;
    pair.key.spaceBefore = index > 0;
    const [groupPriority, priority] = program.priorities;
    const group = groupPriority === priority ? '' : ` in group ${program.group} with ${groupPriority}`;
    const lines = [
      ...(priority === 999 && group === '' ? [] : [`priority ${priority}${group}`]),
      ...program.notes.map((note) => `Not imported: ${note}.`),
    ];
    if (lines.length > 0) pair.key.commentBefore = comment(lines.join('\n'));
    for (const { value } of pair.value.items)
      if (isCollection(value)) value.flow = JSON.stringify(value).length <= oneLine;
  }
  return document.toString({ lineWidth: 0, singleQuote: true, flowCollectionPadding: true });
}

function comment(text: string): string {
  return text
    .split('\n')
    .map((line) => (line === '' ? '' : ` ${line}`))
    .join('\n');
}
