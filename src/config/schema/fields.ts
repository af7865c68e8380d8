import { z } from 'zod';
import { reasonOf } from '../../lib/errors.ts';
import { parseDuration } from './duration.ts';
import { didYouMean } from '../../lib/text/suggest.ts';

// YAML is parsed with the failsafe schema: every scalar stays the text in the file (1.20 is not 1.2, no is not false).
// These fields convert the text. Each has its own error message, so that users never see zod's.

/**
 * A map with these keys and no others. The error for unknown keys has one line per key, in the order of `issue.keys`.
 * @param renamed new names of renamed keys, by old name
 */
export function map<Shape extends z.core.$ZodLooseShape>(
  shape: Shape,
  renamed: Readonly<Record<string, keyof Shape & string>> = {},
) {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? issue.keys.map((key) => unknownKey(key, Object.keys(shape), renamed)).join('\n')
        : 'expected a map of keys and values',
  });
}

function unknownKey(
  key: string,
  known: readonly string[],
  renamed: Readonly<Record<string, string>>,
): string {
  if (Object.hasOwn(renamed, key)) return `"${key}" is now called "${renamed[key]}"`;
  return `unknown key "${key}"${didYouMean(key, known) || `; known: ${known.join(', ')}`}`;
}

/** A map with arbitrary names of a given form as keys. */
export function named<Value extends z.ZodType>(form: RegExp, what: string, value: Value) {
  return z.record(z.string().regex(form), value, {
    error: (issue) =>
      issue.code === 'invalid_key' ? `a name must be ${what}` : 'expected a map of names and values',
  });
}

export function list<Item extends z.ZodType>(item: Item) {
  return z.array(item, { error: 'expected a list' });
}

/** One item, or a list of them. */
export function oneOrMore<Item extends z.ZodType>(item: Item) {
  return z
    .preprocess((value) => (Array.isArray(value) ? value : [value]), list(item))
    .meta({ orOneItem: true });
}

/** Any text; `what` describes it in the error. */
export function text(what = 'text') {
  return z.string({ error: `expected ${what}` });
}

/** Any text; YAML numbers and booleans keep their spelling. For words of a command and values of variables. */
export function word() {
  return text().meta({ anyScalar: true });
}

/** Non-empty text. */
export function filled(what: string) {
  return text(what).min(1, { error: `expected ${what}, not an empty text` });
}

/** Text that matches `form`. */
export function pattern(form: RegExp, what: string) {
  return text(what).regex(form, { error: `expected ${what}` });
}

/** One of a few words. */
export function oneOf<const Words extends readonly string[]>(words: Words) {
  return z.enum(words, { error: `expected ${words.map((each) => `"${each}"`).join(' or ')}` });
}

export function integer(min: number, max: number) {
  const error = { error: `expected a whole number from ${min} to ${max}` };
  return z.preprocess(toNumber, z.int(error).min(min, error).max(max, error));
}

export function port() {
  return integer(1, 65_535);
}

export function bool() {
  return z.preprocess(toBoolean, z.boolean({ error: 'expected true or false' }));
}

/** A duration as text, parsed to ms. */
export function duration() {
  return parsed('a duration like 300s, 1m30s or 500ms', parseDuration);
}

/** Text converted by `parse`, whose error becomes the message. */
function parsed<Value>(what: string, parse: (input: string) => Value) {
  return text(what).transform((input, context) => {
    try {
      return parse(input);
    } catch (error) {
      context.addIssue({ code: 'custom', message: reasonOf(error) });
      return z.NEVER;
    }
  });
}

/** A map, or just a text as short form for the value of `key`. */
export function short<Schema extends z.ZodType>(key: string, schema: Schema) {
  return z
    .preprocess((value) => (typeof value === 'string' ? { [key]: value } : value), schema)
    .meta({ orText: true });
}

function toNumber(value: unknown): unknown {
  return typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value;
}

function toBoolean(value: unknown): unknown {
  return value === 'true' ? true : value === 'false' ? false : value;
}
