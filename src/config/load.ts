import { open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { Failure, reasonOf } from '../errors.ts';
import type { ComponentSpec } from './componentSpec.ts';
import { YamlFile } from './document.ts';
import { factsOf, unknownIp } from './facts.ts';
import type { Facts } from './facts.ts';
import { addIssues } from './issues.ts';
import type { NodeConfig } from './node.ts';
import { Problems } from './problems.ts';
import type { Position } from './problems.ts';
import { expand, mapTexts } from './references.ts';
import { configSchema, knobsSchema } from './schema.ts';

/** A config with all defaults filled in, all references resolved, and nothing wrong with it as far as a file can show. */
export interface Config {
  readonly node: NodeConfig;
  readonly components: Readonly<Record<string, ComponentSpec>>;
  /** As named by the person who gave it; undefined when there is none and everything is a default. */
  readonly file: string | undefined;
  /** The folder that relative paths start from. */
  readonly dir: string;
  /** Values that came from the environment and must not be shown. */
  readonly secrets: ReadonlySet<string>;
  /** Where in the file a value or, with `key`, a key stands. */
  readonly positionOf: (path: readonly PropertyKey[]) => Position;
}

/** What a config is read against. */
export interface World {
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** `${node.ip}`; by default {@link unknownIp}. */
  readonly ip?: string;
  /** Knobs from the command line: they count instead of the file's. */
  readonly set?: Readonly<Partial<Pick<NodeConfig, 'name' | 'dataDir' | 'listen'>>>;
}

/** The largest config that is read: several times what a thousand components need would be an accident. */
const maxBytes = 2 * 1024 * 1024;

/**
 * Reads the config at `path`; without one, everything is a default.
 * @throws Failure `usage` that says all that is wrong, one `file:line:column: message` each.
 */
export async function loadConfig(path: string | undefined, world: World = {}): Promise<Config> {
  return parseConfig(path === undefined ? '' : await read(path), path, world);
}

/** The same from a text; `file` is its name. */
export function parseConfig(
  text: string,
  file: string | undefined,
  { env = process.env, ip = unknownIp, set = {} }: World = {},
): Config {
  const problems = new Problems(file ?? 'config');
  checkKnobs(set);
  const yaml = new YamlFile(text, problems);
  const dir = resolve(file === undefined ? '.' : dirname(file));
  const secrets = new Set<string>();
  const resolveTexts = <Value>(value: Value, path: readonly string[], facts: Facts): Value =>
    mapTexts(value, path, (found, at) =>
      expand(
        found,
        { env, facts },
        (message) => problems.add(yaml.positionOf(at), message),
        (secret) => secrets.add(secret),
      ),
    );

  // The components can refer to the knobs, so these come first.
  const resolveMap = ({ components, ...others }: Readonly<Record<string, unknown>>): object => {
    const knobs = { ...resolveTexts(others, [], {}), ...set };
    if (components === undefined) return knobs;
    const node = knobsSchema.safeParse(knobs).data ?? knobsSchema.parse({});
    const facts = factsOf(node, { ip, configDir: dir });
    return { ...knobs, components: resolveTexts(components, ['components'], facts) };
  };

  const whole = isMap(yaml.root) ? resolveMap(yaml.root) : yaml.root;
  const parsed = configSchema.safeParse(whole, { reportInput: true });
  if (!parsed.success) addIssues(parsed.error.issues, yaml, problems);
  problems.throwIfAny();
  const { components, ...node } = parsed.data!;
  return { node, components, file, dir, secrets, positionOf: (place) => yaml.positionOf(place) };
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @throws Failure `usage` when a knob of the command line is not right in itself. */
function checkKnobs(set: NonNullable<World['set']>): void {
  const [issue] = knobsSchema.safeParse(set).error?.issues ?? [];
  if (issue !== undefined) throw new Failure('usage', `${issue.path.join('.')}: ${issue.message}`);
}

async function read(path: string): Promise<string> {
  try {
    const handle = await open(path);
    try {
      const chunks: Buffer[] = [];
      let bytes = 0;
      for await (const chunk of handle.createReadStream({ autoClose: false }) as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        if (bytes > maxBytes) throw new Error(`it is larger than ${maxBytes / 1024 / 1024} MiB`);
        chunks.push(chunk);
      }
      return new TextDecoder('utf8', { fatal: true }).decode(Buffer.concat(chunks));
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw new Failure('usage', `cannot read the config ${path}: ${whyNot(error)}`, { cause: error });
  }
}

function whyNot(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'EISDIR') return 'it is a folder';
  return code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'it is not text in UTF-8' : reasonOf(error);
}
