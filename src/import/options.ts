import { reasonOf } from '../lib/errors.ts';
import type { ConfigSection } from './ini.ts';
import { currentText, expandExpressions } from './values.ts';
import type { Environment, Expansions } from './values.ts';

/**
 * The options of a section, with expressions replaced. `text` keeps references to the environment. The other methods use its
 * current values, where our config has to know them, and add a note. Their errors name the option.
 */
export class Options {
  readonly notes: string[] = [];
  readonly #options: ConfigSection['options'];
  readonly #known: Expansions;
  readonly #env: Environment;

  constructor({ options }: ConfigSection, known: Expansions, env: Environment) {
    this.#options = options;
    this.#known = known;
    this.#env = env;
  }

  /** The names of the options that are set. */
  names(): string[] {
    return [...this.#options.keys()];
  }

  /** The value as in the file. */
  source(name: string): string | undefined {
    return this.#options.get(name);
  }

  text(name: string): string | undefined {
    const source = this.#options.get(name);
    return source === undefined ? undefined : inOption(name, () => expandExpressions(source, this.#known));
  }

  /** What `parse` makes of the text. */
  parsed<Value>(name: string, parse: (text: string) => Value): Value | undefined {
    const value = this.text(name);
    return value === undefined ? undefined : inOption(name, () => parse(value));
  }

  current(name: string): string | undefined {
    return this.currentParsed(name, (text) => text);
  }

  /** What `parse` makes of the current value. */
  currentParsed<Value>(name: string, parse: (text: string) => Value): Value | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    return inOption(name, () => {
      const { text, variables } = currentText(value, this.#env);
      if (variables.length > 0)
        this.#note(`the variable in ${name}=${this.source(name)}: its current value, ${text}, is used`);
      return parse(text.trim());
    });
  }

  /** A whole number as Python's `int` reads it. */
  integer(name: string, initial: number): number {
    return this.currentParsed(name, toInteger) ?? initial;
  }

  bool(name: string, initial: boolean): boolean {
    return this.currentParsed(name, toBool) ?? initial;
  }

  /**
   * Like `bool`, but a reference that is the whole value is kept if our config can read it: if the variable is `true`, `false`
   * or not set.
   */
  boolOrReference(name: string, initial: boolean): boolean | string {
    const value = this.text(name) ?? '';
    const variable = /^\$\{env:(\w+)\}$/.exec(value)?.[1];
    if (variable === undefined || !['true', 'false', undefined].includes(this.#env[variable]))
      return this.bool(name, initial);
    this.#note(`values of ${variable} other than true and false in ${name}: the config is refused then`);
    return value;
  }

  #note(note: string): void {
    if (!this.notes.includes(note)) this.notes.push(note);
  }
}

function inOption<Value>(name: string, read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    throw new Error(`${name}: ${reasonOf(error)}`, { cause: error });
  }
}

function toInteger(text: string): number {
  if (!/^[+-]?\d+$/.test(text)) throw new Error(`expected a whole number, not "${text}"`);
  return Number(text);
}

function toBool(text: string): boolean {
  if (/^(yes|true|on|1)$/i.test(text)) return true;
  if (/^(no|false|off|0)$/i.test(text)) return false;
  throw new Error(`expected true or false, not "${text}"`);
}
