import { stripVTControlCharacters } from 'node:util';
import type { LogLine } from './logLine.ts';
import type { Style } from '../terminal/style.ts';
import { padEnd, width } from '../../lib/text/text.ts';

const palette: readonly Parameters<Style>[0][] = ['cyan', 'magenta', 'blue', 'green', 'yellow'];
// oxlint-disable-next-line no-control-regex -- a component's own control characters must not reach the terminal
const control = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

/** Lines with the component in front, unless there is but one (and not `always`), each in its own colour; what is grave is red, a warning yellow. */
export function logPrinter(
  components: readonly string[],
  style: Style,
  { always = false }: { always?: boolean } = {},
): (line: LogLine) => string {
  const column = Math.max(0, ...components.map(width));
  const colours = new Map(
    components.map((component, index) => [component, palette[index % palette.length] ?? 'cyan']),
  );
  return ({ component, level, text }) => {
    const safe = stripVTControlCharacters(text).replace(control, '');
    const prefix =
      components.length === 1 && !always
        ? ''
        : `${style(colours.get(component) ?? 'cyan', `${padEnd(component, column)} |`)} `;
    if (level === 'error' || level === 'fatal') return `${prefix}${style('red', safe)}`;
    return `${prefix}${level === 'warn' ? style('yellow', safe) : safe}`;
  };
}
