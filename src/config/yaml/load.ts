import { open } from 'node:fs/promises';
import { Failure, reasonOf } from '../../lib/errors.ts';

import type { Config } from '../config.ts';
import type { ResolveOptions } from './resolve.ts';
import { configWithoutFile } from './withoutFile.ts';

/** The largest config that is read: several times what a thousand components need would be an accident. */
const maxBytes = 2 * 1024 * 1024;

/**
 * Reads the config at `path`; without one, everything is a default.
 * @throws Failure `usage` that says all that is wrong, one `file:line:column: message` each.
 */
export async function loadConfig(path: string | undefined, world: ResolveOptions = {}): Promise<Config> {
  if (path === undefined) return configWithoutFile(world.set);
  const text = await read(path);
  // A parser of YAML takes a while to load, and so does what knows of every kind of probe.
  return (await import('./parse.ts')).parseConfig(text, path, world);
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
