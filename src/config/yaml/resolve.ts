import { dirname, resolve } from 'node:path';
import type { Config } from '../config.ts';
import { configVariables, unknownIp } from './facts.ts';
import type { ConfigVariables } from './facts.ts';
import { addIssues } from './issues.ts';
import { resolveSettings, settingsSchema } from '../schema/knobs.ts';
import type { SettingOverrides } from '../schema/knobs.ts';
import type { Problems } from './problems.ts';
import { expand, mapTexts } from './references.ts';
import { configSchema } from '../schema/schema.ts';
import type { Source } from './source.ts';

/** What a config is read against. */
export interface ResolveOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** `${node.ip}`; by default {@link unknownIp}. */
  readonly ip?: string;
  readonly set?: SettingOverrides;
}

/** What is read from `source`, the file called `file`. @throws Failure `usage` with all that is wrong. */
export function resolveConfig(
  source: Source,
  problems: Problems,
  file: string,
  { env = process.env, ip = unknownIp, set = {} }: ResolveOptions = {},
): Config {
  // What the command line says is wrong at no place in the file.
  resolveSettings(set);
  const dir = resolve(dirname(file));
  const secrets = new Set<string>();
  const resolveTexts = <Value>(value: Value, path: readonly string[], facts: ConfigVariables): Value =>
    mapTexts(value, path, (found, at) =>
      expand(
        found,
        { env, variables: facts },
        (message) => problems.add(source.positionOf(at), message),
        (secret) => secrets.add(secret),
      ),
    );

  // The components can refer to the knobs, so these come first.
  const resolveMap = ({ components, ...others }: Readonly<Record<string, unknown>>): object => {
    const knobs = { ...resolveTexts(others, [], {}), ...set };
    if (components === undefined) return knobs;
    const node = settingsSchema.safeParse(knobs).data ?? resolveSettings({});
    const facts = configVariables(node, { ip, configDir: dir });
    return { ...knobs, components: resolveTexts(components, ['components'], facts) };
  };

  const whole = isMap(source.root) ? resolveMap(source.root) : source.root;
  const parsed = configSchema.safeParse(whole, { reportInput: true });
  if (!parsed.success) addIssues(parsed.error.issues, source, problems);
  problems.throwIfAny();
  const { components, ...node } = parsed.data!;
  return { node, components, file, dir, secrets, positionOf: (place) => source.positionOf(place) };
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
