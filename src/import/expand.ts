/** What `%(name)s` stands for. */
export type Expansions = Readonly<Record<string, string | number>>;

/** `%%`, or `%(name)s` with the flag, width and type of Python's format strings. */
const expression = /%(?:%|\((\w+)\)([0-]?)(\d*)[sd]|.?)/g;

/**
 * A supervisord value as a value of our config: `%(name)s` replaced (also with a width, `%(process_num)02d`), `%(ENV_X)s`
 * as a reference `${env:X}` unless the config itself gives X, and what would look like a reference there escaped.
 * @throws Error for a name that supervisord does not know either.
 */
export function expand(text: string, known: Expansions): string {
  return text
    .replaceAll('${', () => '$${')
    .replaceAll(expression, (whole: string, name?: string, flag?: string, width?: string) => {
      if (whole === '%%') return '%';
      if (name === undefined)
        throw new Error(`"${whole}" is not a format: write %(name)s, or %% for a percent sign`);
      const value = known[name];
      if (value !== undefined) return pad(String(value), flag, Number(width));
      if (name.startsWith('ENV_')) return `\${env:${name.slice('ENV_'.length)}}`;
      throw new Error(
        `%(${name})s means nothing here: there are ${Object.keys(known).join(', ')} and ENV_NAME`,
      );
    });
}

function pad(value: string, flag: string | undefined, width: number): string {
  return flag === '-' ? value.padEnd(width) : value.padStart(width, flag === '0' ? '0' : ' ');
}
