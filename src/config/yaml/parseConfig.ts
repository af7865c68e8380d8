import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import type { Config } from '../config.ts';
import { configSchema } from '../schema/configSchema.ts';
import { resolveSettings, settingsSchema } from '../schema/node.ts';
import type { SettingOverrides } from '../schema/node.ts';
import { Problems } from './problems.ts';
import { configVariables, expandReferences, mapTexts, unknownIp } from './variables.ts';
import type { ConfigVariables } from './variables.ts';
import { YamlFile } from './yamlFile.ts';

/** The inputs of a config besides its file. */
export interface ParseOptions {
  /** For `${env:NAME}`; by default the environment of this process. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** For `${node.ip}`; by default {@link unknownIp}. */
  readonly ip?: string;
  /** Settings from the command line. */
  readonly overrides?: SettingOverrides;
}

/**
 * Parses the text of the config called `file`.
 * @throws Failure `usage` with every error, one `file:line:column: message` per line.
 */
export function parseConfig(
  text: string,
  file: string,
  { env = process.env, ip = unknownIp, overrides = {} }: ParseOptions = {},
): Config {
  const problems = new Problems(file);
  const yaml = new YamlFile(text, problems);
  // An invalid option of the command line has no position in the file.
  resolveSettings(overrides);

  const dir = resolve(dirname(file));
  const secrets = new Set<string>();
  const expandAll = <Value>(value: Value, path: readonly string[], variables: ConfigVariables): Value =>
    mapTexts(value, path, (found, at) =>
      expandReferences(
        found,
        { env, variables },
        (message) => problems.add(yaml.positionOf(at), message),
        (secret) => secrets.add(secret),
      ),
    );

  // Components can refer to settings, so the settings are expanded first.
  const expandRoot = ({ components, ...others }: Readonly<Record<string, unknown>>): object => {
    const settings = { ...expandAll(others, [], {}), ...overrides };
    if (components === undefined) return settings;
    const node = settingsSchema.safeParse(settings).data ?? resolveSettings({});
    const variables = configVariables(node, { ip, configDir: dir });
    return { ...settings, components: expandAll(components, ['components'], variables) };
  };

  if (isMap(yaml.root) && Object.hasOwn(yaml.root, 'nodes'))
    problems.add(
      yaml.positionOfKey([], 'nodes'),
      'this is a file of several nodes: only "up", "down" and "config check" take one',
    );
  const root = isMap(yaml.root) ? expandRoot(yaml.root) : yaml.root;
  const parsed = configSchema.safeParse(root, { reportInput: true });
  if (!parsed.success) addIssues(parsed.error.issues, yaml, problems);
  problems.throwIfAny();
  const { components, ...node } = parsed.data!;
  return { node, components, file, dir, secrets, positionOf: (path) => yaml.positionOf(path) };
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Longer texts are not quoted in a message. */
const maxQuoted = 60;

/** Adds the errors of a schema, each at its position in the file. */
export function addIssues(issues: readonly z.core.$ZodIssue[], yaml: YamlFile, problems: Problems): void {
  for (const issue of issues) {
    const path = issue.path.join('.');
    const label = path === '' ? '' : `${path}: `;
    if (issue.code === 'unrecognized_keys') {
      const messages = issue.message.split('\n');
      for (const [index, key] of issue.keys.entries())
        problems.add(yaml.positionOfKey(issue.path, key), `${label}${messages[index]}`);
    } else {
      problems.add(yaml.positionOf(issue.path), `${label}${issue.message}${actual(issue, yaml)}`);
    }
  }
}

/** The actual value, appended to a message about the expected one. */
function actual(issue: z.core.$ZodIssue, yaml: YamlFile): string {
  if (!issue.message.startsWith('expected ') || (issue.code === 'custom' && issue.path.length === 0))
    return '';
  const text = yaml.sourceOf(issue.path);
  if (text !== undefined) return text.length <= maxQuoted ? `, not "${text}"` : '';
  if (issue.input === undefined) return ', which is missing';
  return Array.isArray(issue.input) ? ', not a list' : '';
}
