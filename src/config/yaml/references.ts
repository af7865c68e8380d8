import type { ConfigVariables } from './facts.ts';
import { isSecret } from './secrets.ts';
import { didYouMean } from '../../lib/text/suggest.ts';

/** What references can refer to. */
export interface Scope {
  /** `${env:NAME}`. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `${some.fact}`; empty where no fact is known yet. */
  readonly variables: ConfigVariables;
}

const reference = /\$\$(\{[^}]*\})|\$\{([^}]*)\}|\$\{/g;

/**
 * The text with each `${...}` replaced by what it refers to; `$${...}` stays as `${...}`. What cannot be resolved is left
 * as it is and told to `refuse`; values from the environment that are secrets by their name are told to `onSecret`.
 */
export function expand(
  text: string,
  { env, variables }: Scope,
  refuse: (message: string) => void,
  onSecret: (value: string) => void,
): string {
  return text.replace(reference, (whole: string, escaped?: string, name?: string) => {
    if (escaped !== undefined) return `$${escaped}`;
    const variable = name?.startsWith('env:') ? name.slice('env:'.length) : undefined;
    const value = variable === undefined ? variables[name ?? ''] : env[variable];
    if (value !== undefined) {
      if (variable !== undefined && isSecret(variable)) onSecret(value);
      return value;
    }
    if (name === undefined)
      refuse(`a reference begins here and never ends: write \${NAME}, or $\${ for the text itself`);
    else if (variable !== undefined)
      refuse(`the environment variable ${variable} is not set${didYouMean(variable, Object.keys(env))}`);
    else refuse(unknown(name, Object.keys(variables)));
    return whole;
  });
}

type Replace = (text: string, path: readonly PropertyKey[]) => string;

/** The value with each text in it that has a `$` replaced; keys are left as they are. `path` leads to the value. */
export function mapTexts<Value>(value: Value, path: readonly PropertyKey[], replace: Replace): Value;
export function mapTexts(value: unknown, path: readonly PropertyKey[], replace: Replace): unknown {
  // One path for all, because there are many values and few with a `$`.
  const here = [...path];
  const inside = (inner: unknown, step: PropertyKey): unknown => {
    here.push(step);
    const mapped = map(inner);
    here.pop();
    return mapped;
  };
  const map = (one: unknown): unknown => {
    if (typeof one === 'string') return one.includes('$') ? replace(one, here) : one;
    if (Array.isArray(one)) return one.map(inside);
    if (typeof one !== 'object' || one === null) return one;
    return Object.fromEntries(Object.entries(one).map(([key, inner]) => [key, inside(inner, key)]));
  };
  return map(value);
}

function unknown(name: string, known: readonly string[]): string {
  if (known.length === 0) return `unknown reference \${${name}}: only \${env:NAME} can be used here`;
  return `unknown reference \${${name}}${didYouMean(name, known) || `; known: env:NAME, ${known.join(', ')}`}`;
}
