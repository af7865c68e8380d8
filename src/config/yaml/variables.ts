import { nodePaths } from '../../lib/paths.ts';
import { didYouMean } from '../../lib/text/suggest.ts';
import type { NodeConfig } from '../schema/node.ts';
import { isSecret } from '../secrets.ts';

/** The variables of a config besides the environment, by name: `node.ip`, `paths.kubeconfig`. */
export type ConfigVariables = Readonly<Record<string, string>>;

/** `node.ip` without a node, or while the node is not running. */
export const unknownIp = '127.0.0.1';

/** Inputs for {@link configVariables} that are not settings. */
export interface VariableSources {
  /** The node's own address. */
  readonly ip: string;
  /** The directory of the config file. */
  readonly configDir: string;
}

/** The node's names, everything under `network`, the node's paths, and the directory of the config. */
export function configVariables(node: NodeConfig, { ip, configDir }: VariableSources): ConfigVariables {
  const paths = nodePaths(node.name, node.dataDir);
  return {
    name: node.name,
    'node.name': node.nodeName,
    'node.ip': ip,
    ...prefixed('network', node.network),
    ...prefixed('paths', paths),
    'config.dir': configDir,
  };
}

function prefixed(prefix: string, values: object): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [`${prefix}.${key}`, String(value)]),
  );
}

/** What references can refer to. */
export interface Scope {
  /** For `${env:NAME}`. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** For `${some.variable}`; empty while the settings are not known. */
  readonly variables: ConfigVariables;
}

const reference = /\$\$(\{[^}]*\})|\$\{([^}]*)\}/g;

/**
 * The text with each `${...}` replaced by its value; `$${...}` becomes `${...}`. An unknown reference is left as it is and
 * reported to `refuse`. `onSecret` receives each value from the environment whose name marks it as secret.
 */
export function expandReferences(
  text: string,
  { env, variables }: Scope,
  refuse: (message: string) => void,
  onSecret: (value: string) => void,
): string {
  // Behind the last brace no reference ends. To search for the end of each would take quadratic time.
  const end = text.lastIndexOf('}') + 1;
  const rest = text.slice(end);
  if (rest.includes('${')) refuse(unterminated);
  const replaced = text
    .slice(0, end)
    .replace(reference, (whole: string, escaped: string | undefined, name: string) => {
      if (escaped !== undefined) return `$${escaped}`;
      const envName = name.startsWith('env:') ? name.slice('env:'.length) : undefined;
      const [values, key] = envName === undefined ? [variables, name] : [env, envName];
      // Not what every object inherits, like "constructor".
      const value = Object.hasOwn(values, key) ? values[key] : undefined;
      if (value !== undefined) {
        if (envName !== undefined && isSecret(envName)) onSecret(value);
        return value;
      }
      if (envName !== undefined)
        refuse(`the environment variable ${envName} is not set${didYouMean(envName, Object.keys(env))}`);
      else refuse(unknownReference(name, Object.keys(variables)));
      return whole;
    });
  return replaced + rest;
}

const unterminated = 'unterminated reference: write ${NAME}, or $${ for the text itself';

function unknownReference(name: string, known: readonly string[]): string {
  if (known.length === 0) return `unknown reference \${${name}}: only \${env:NAME} can be used here`;
  return `unknown reference \${${name}}${didYouMean(name, known) || `; known: env:NAME, ${known.join(', ')}`}`;
}

type Replace = (text: string, path: readonly PropertyKey[]) => string;

/** The value with `replace` applied to every text that contains a `$`, but not to keys. `path` leads to the value. */
export function mapTexts<Value>(value: Value, path: readonly PropertyKey[], replace: Replace): Value;
export function mapTexts(value: unknown, path: readonly PropertyKey[], replace: Replace): unknown {
  // One mutable path for all values: there are many, and few contain a `$`.
  const current = [...path];
  const mapChild = (child: unknown, step: PropertyKey): unknown => {
    current.push(step);
    const mapped = map(child);
    current.pop();
    return mapped;
  };
  const map = (one: unknown): unknown => {
    if (typeof one === 'string') return one.includes('$') ? replace(one, current) : one;
    if (Array.isArray(one)) return one.map(mapChild);
    if (typeof one !== 'object' || one === null) return one;
    return Object.fromEntries(Object.entries(one).map(([key, child]) => [key, mapChild(child, key)]));
  };
  return map(value);
}
