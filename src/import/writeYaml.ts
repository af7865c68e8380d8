import { Document, isCollection, isMap, isPair, isScalar } from 'yaml';
import type { Program } from './program.ts';

/** Lists and maps up to this length are written on one line. */
const maxFlowLength = 90;

const introduction = `Imported from supervisord, which starts all programs at once and restarts those that started too early. Add to each
component what it needs before it can start, and how to tell that it is ready:

    needs: [database]
    ready: { tcp: 5432 }

A step that must end before others start needs \`task: true\` instead of \`restart\`.`;

/** The YAML of a graph of these programs, in their order, with notes and priorities as comments. */
export function writeYaml(programs: readonly Program[], notes: readonly string[]): string {
  const components = Object.fromEntries(programs.map(({ name, component }) => [name, component]));
  const document = new Document({ kubernetes: false, components });
  document.commentBefore = comment(
    [introduction, ...notes.map((note) => `Not imported: ${note}.`)].join('\n\n'),
  );
  const map = document.get('components');
  if (!isMap(map)) throw new TypeError('components is not a map');
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
      if (isCollection(value)) value.flow = JSON.stringify(value).replaceAll('"', '').length <= maxFlowLength;
  }
  return document.toString({ lineWidth: 0, singleQuote: true, flowCollectionPadding: true });
}

function comment(text: string): string {
  return text
    .split('\n')
    .map((line) => (line === '' ? '' : ` ${line}`))
    .join('\n');
}
