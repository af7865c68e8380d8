/** The values of `%(name)s` expressions, by name. */
export type Expansions = Readonly<Record<string, string | number>>;

/** `%%`, or `%(name)s` with the flag, width and type of Python's format strings. */
const expression = /%(?:%|\((\w+)\)([0-]?)(\d*)[sd]|.?)/g;

/**
 * Translates a supervisord value to a value of our config: `%(name)s` is replaced (also with a width, `%(process_num)02d`),
 * `%(ENV_X)s` becomes the reference `${env:X}` unless the file itself sets X, and a literal `${` is escaped.
 * @throws Error for a name that supervisord does not know either.
 */
export function expandExpressions(text: string, known: Expansions): string {
  return text
    .replaceAll('${', () => '$${')
    .replaceAll(expression, (whole: string, name?: string, flag?: string, width?: string) => {
      if (whole === '%%') return '%';
      if (name === undefined)
        throw new Error(`invalid format "${whole}": write %(name)s, or %% for a percent sign`);
      const value = known[name];
      if (value !== undefined) return pad(String(value), flag, Number(width));
      if (name.startsWith('ENV_')) return `\${env:${name.slice('ENV_'.length)}}`;
      throw new Error(`unknown name in %(${name})s; known: ${Object.keys(known).join(', ')}, ENV_NAME`);
    });
}

/** The environment of this process, or of a test. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The text that a translated value (see {@link expandExpressions}) has in this environment, and the variables it refers to.
 * @throws Error for a variable that is not set.
 */
export function currentText(value: string, env: Environment): { text: string; variables: string[] } {
  const variables: string[] = [];
  const text = value.replaceAll(/\$\$\{|\$\{env:(\w+)\}/g, (_whole, name?: string) => {
    if (name === undefined) return '${';
    const current = env[name];
    if (current === undefined)
      throw new Error(`the environment variable ${name} is not set; set it for the import`);
    variables.push(name);
    return current;
  });
  return { text, variables };
}

function pad(value: string, flag: string | undefined, width: number): string {
  return flag === '-' ? value.padEnd(width) : value.padStart(width, flag === '0' ? '0' : ' ');
}

/**
 * Splits a command line like Python's shlex.split, which supervisord uses: quotes and backslashes as in a POSIX shell, and
 * no other shell syntax.
 * @throws Error for an unterminated quote.
 */
export function shellWords(text: string): string[] {
  const words: string[] = [];
  let rest = text.trimStart();
  while (rest !== '') {
    const [whole = ''] = /^(?:\\[^]|'[^']*'|"(?:\\[^]|[^"\\])*"|[^\s'"\\])+/.exec(rest) ?? [];
    if (whole === '' || !/^(\s|$)/.test(rest.slice(whole.length)))
      throw new Error(`unterminated quote or backslash: ${rest.slice(whole.length)}`);
    words.push(unquote(whole));
    rest = rest.slice(whole.length).trimStart();
  }
  return words;
}

function unquote(word: string): string {
  return word.replaceAll(
    /\\([^])|'([^']*)'|"((?:\\[^]|[^"\\])*)"/g,
    (_whole, escaped?: string, single?: string, double?: string) =>
      escaped ?? single ?? (double ?? '').replaceAll(/\\(["\\])/g, '$1'),
  );
}

/** supervisord's tokens of key-value pairs, plus the characters `${}` of our references. */
const token = /#.*|"[^"]*"|'[^']*'|[\w/.+\-():${}][\w/.+\-():${}"']*|\S/g;

/**
 * Parses `KEY=value,KEY2="other value"` like supervisord: values with characters other than letters, digits and `_/.+-():`
 * need quotes.
 * @throws Error for anything else.
 */
export function keyValues(text: string): Record<string, string> {
  const tokens = (text.match(token) ?? []).filter((one) => !one.startsWith('#'));
  const unterminated = tokens.find((one) => one === '"' || one === "'");
  if (unterminated !== undefined) throw new Error(`unterminated quote: ${text}`);
  const pairs: Record<string, string> = {};
  for (let i = 0; i < tokens.length; i += 4) {
    const [key, equals, value] = tokens.slice(i, i + 3);
    if (key === undefined || equals !== '=' || value === undefined)
      throw new Error(`expected KEY=value pairs with commas between them: ${text}`);
    pairs[key] = value.replaceAll(/^['"]+|['"]+$/g, '');
  }
  return pairs;
}
