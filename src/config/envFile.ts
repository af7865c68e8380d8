/** What is before the `=` of a line: a name, with or without `export`; blanks around both are ignored. */
const nameAndBlanks = /^[ \t]*(?:export[ \t]+)?([^\s#].*)$/s;

/**
 * The variables of an envFile: NAME=value lines, as Compose, systemd and shells read them. A `#` begins a comment at the
 * start of a line, after a blank, and after a quoted value; inside a word it does not (util.parseEnv of Node.js cuts there).
 * A value in ', " or ` may have several lines. In " the escapes \n, \", \\, \$ and \` are replaced. Other lines are ignored.
 */
export function parseEnvFile(text: string): Record<string, string> {
  const variables: Record<string, string> = {};
  let rest = text.replace(/^\uFEFF/, '').replaceAll(/\r\n?/g, '\n');
  while (rest !== '') {
    const [line = ''] = rest.split('\n', 1);
    // A search for both in one regular expression would take hours for a long line of blanks.
    const equals = line.indexOf('=');
    const name = nameAndBlanks.exec(line.slice(0, Math.max(equals, 0)))?.[1];
    const after = rest.slice(equals + 1);
    const value = name === undefined ? undefined : (quotedValue(after) ?? plainValue(after));
    if (value !== undefined) variables[withoutBlanksAtEnd(name!)] = value.text;
    const end = rest.indexOf('\n', value === undefined ? 0 : equals + 1 + value.length);
    rest = end < 0 ? '' : rest.slice(end + 1);
  }
  return variables;
}

function withoutBlanksAtEnd(name: string): string {
  let end = name.length;
  while (name[end - 1] === ' ' || name[end - 1] === '\t') end -= 1;
  return name.slice(0, end);
}

interface Value {
  readonly text: string;
  /** How many characters of the input it takes, quotes and blanks included. */
  readonly length: number;
}

/** The value if it begins with a quote that is closed. */
function quotedValue(input: string): Value | undefined {
  const match = /^[ \t]*(?:'([^']*)'|`([^`]*)`|"((?:[^"\\]|\\.)*)")/s.exec(input);
  if (match === null) return undefined;
  const [{ length }, single, backquoted, double = ''] = match;
  const unescaped = double.replaceAll(/\\([n"\\$`])/g, (_, char: string) => (char === 'n' ? '\n' : char));
  return { text: single ?? backquoted ?? unescaped, length };
}

function plainValue(input: string): Value {
  const [line = ''] = input.split('\n', 1);
  return { text: line.replace(/[ \t]#.*$/, '').trim(), length: line.length };
}
