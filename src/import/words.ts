/**
 * The words of a command line as Python's shlex.split, and so supervisord, makes them: quotes and backslashes as in a
 * POSIX shell, and nothing else of it.
 * @throws Error when a quote is not closed.
 */
export function shellWords(text: string): string[] {
  const words: string[] = [];
  let rest = text.trimStart();
  while (rest !== '') {
    const [whole = ''] = /^(?:\\[^]|'[^']*'|"(?:\\[^]|[^"\\])*"|[^\s'"\\])+/.exec(rest) ?? [];
    if (whole === '' || !/^(\s|$)/.test(rest.slice(whole.length)))
      throw new Error(`a quote or a backslash has no end: ${rest.slice(whole.length)}`);
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

/** As there, and with what our references are made of. */
const token = /#.*|"[^"]*"|'[^']*'|[\w/.+\-():${}][\w/.+\-():${}"']*|\S/g;

/**
 * `KEY=value,KEY2="other value"` as supervisord reads it: values with other characters than letters, digits and
 * `_/.+-():` need quotes.
 * @throws Error when it is not made of such pairs.
 */
export function keyValues(text: string): Record<string, string> {
  const tokens = (text.match(token) ?? []).filter((one) => !one.startsWith('#'));
  const unclosed = tokens.find((one) => one === '"' || one === "'");
  if (unclosed !== undefined) throw new Error(`a quote has no end: ${text}`);
  const found: Record<string, string> = {};
  for (let i = 0; i < tokens.length; i += 4) {
    const [key, equals, value] = tokens.slice(i, i + 3);
    if (key === undefined || equals !== '=' || value === undefined)
      throw new Error(`expected KEY=value pairs with commas between them: ${text}`);
    found[key] = value.replaceAll(/^['"]+|['"]+$/g, '');
  }
  return found;
}
