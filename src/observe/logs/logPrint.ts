import { stripVTControlCharacters } from 'node:util';
import type { LogLine } from './logLine.ts';
import type { Style } from '../terminal/style.ts';
import { padEnd, width } from '../../lib/text/text.ts';

const palette: readonly Parameters<Style>[0][] = ['cyan', 'magenta', 'blue', 'green', 'yellow'];
// oxlint-disable-next-line no-control-regex -- control characters from components must not reach the terminal
const control = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

/** Prints errors red, warnings yellow, and the component in its colour in front. A single component only when `always`. */
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
