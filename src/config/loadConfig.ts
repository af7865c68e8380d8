import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Failure, reasonOf } from '../lib/errors.ts';
import { hasErrorCode } from '../lib/systemError.ts';
import { nodeName } from '../lib/paths.ts';
import type { Config } from './config.ts';
import { defaults } from './schema/defaults.ts';
import type { NodeConfig, SettingOverrides } from './schema/node.ts';
import type { ParseOptions } from './yaml/parseConfig.ts';
import { nowhere } from './yaml/problems.ts';

/** The largest config that is read. A thousand components need a fraction of it, so a larger file is a mistake. */
export const maxBytes = 512 * 1024;

/**
 * Reads the config at `path`; without a path, everything is a default.
 * @throws Failure `usage` with every error, one `file:line:column: message` per line.
 */
export async function loadConfig(path: string | undefined, options: ParseOptions = {}): Promise<Config> {
  if (path === undefined) return configWithoutFile(options.overrides);
  const text = await read(path);
  // Loaded on demand: the YAML parser and the schema take tens of ms.
  return (await import('./yaml/parseConfig.ts')).parseConfig(text, path, options);
}

/**
 * The config without a file. @throws Failure `usage` when an override is invalid.
 * @internal exported for tests
 */
export async function configWithoutFile(overrides: SettingOverrides = {}): Promise<Config> {
  return {
    node: await settings(overrides),
    components: {},
    file: undefined,
    dir: resolve('.'),
    secrets: new Set(),
    positionOf: nowhere,
  };
}

/** Loads the schema, which takes 30 ms, only when a check here fails: the schema knows the message. */
async function settings(overrides: SettingOverrides): Promise<NodeConfig> {
  const { name = defaults.name, dataDir = '/', ...others } = overrides;
  const isValid = nodeName.test(name) && dataDir.startsWith('/') && Object.keys(others).length === 0;
  if (isValid) return { ...defaults, ...overrides };
  return (await import('./schema/node.ts')).resolveSettings(overrides);
}

async function read(path: string): Promise<string> {
  try {
    const handle = await open(path);
    try {
      const chunks: Buffer[] = [];
      let bytes = 0;
      for await (const chunk of handle.createReadStream({ autoClose: false }) as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        if (bytes > maxBytes) throw new Error(`it is larger than ${maxBytes / 1024} KiB`);
        chunks.push(chunk);
      }
      return new TextDecoder('utf8', { fatal: true }).decode(Buffer.concat(chunks));
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw new Failure('usage', `cannot read the config ${path}: ${readError(error)}`, { cause: error });
  }
}

function readError(error: unknown): string {
  if (hasErrorCode(error, 'EISDIR')) return 'it is a directory';
  return hasErrorCode(error, 'ERR_ENCODING_INVALID_ENCODED_DATA') ? 'it is not UTF-8 text' : reasonOf(error);
}
