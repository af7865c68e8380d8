/** A name, with or without `export`, and `=`; blanks around both are ignored. */
const assignment = /^[ \t]*(?:export[ \t]+)?([^\s=#][^=\n]*?)[ \t]*=/;

/**
 * The variables of an envFile: NAME=value lines, as Compose, systemd and shells read them. A `#` begins a comment at the
 * start of a line, after a blank, and after a quoted value; inside a word it does not (util.parseEnv of Node.js cuts there).
 * A value in ', " or ` may have several lines. In " the escapes \n, \", \\, \$ and \` are replaced. Other lines are ignored.
 */
export function parseEnvFile(text: string): Record<string, string> {
  const variables: Record<string, string> = {};
  let rest = text.replace(/^\uFEFF/, '').replaceAll(/\r\n?/g, '\n');
  while (rest !== '') {
    const match = assignment.exec(rest);
    const [matched = '', name = ''] = match ?? [];
    const value =
      match === null
        ? undefined
        : (quotedValue(rest.slice(matched.length)) ?? plainValue(rest.slice(matched.length)));
    if (value !== undefined) variables[name] = value.text;
    const end = rest.indexOf('\n', matched.length + (value?.length ?? 0));
    rest = end < 0 ? '' : rest.slice(end + 1);
  }
  return variables;
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
