import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { Failure, reasonOf } from '../lib/errors.ts';
import { parseIni } from './ini.ts';
import type { Section } from './ini.ts';

/** A section, and the folder that `%(here)s` means in it. */
export interface Found extends Section {
  readonly here: string;
}

/**
 * The sections of a supervisord config and of the files that it includes.
 * @throws Failure `usage` when one cannot be read.
 */
export async function readSections(file: string): Promise<Found[]> {
  const here = dirname(resolve(file));
  const own = await read(file, here);
  const patterns = own.find(({ name }) => name === 'include')?.options.get('files') ?? '';
  const included: Found[] = [];
  for (const pattern of patterns.split(/\s+/).filter(Boolean)) {
    const path = resolve(
      here,
      pattern.replaceAll('%(here)s', () => here),
    );
    for (const name of await matches(path)) included.push(...(await read(name, dirname(name))));
  }
  return [...own.filter(({ name }) => name !== 'include'), ...included];
}

async function read(file: string, here: string): Promise<Found[]> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new Failure('usage', `cannot read ${file}: ${reasonOf(error)}`, { cause: error });
  });
  return parseIni(text, file).map((section) => ({ name: section.name, options: section.options, here }));
}

/** The files that a path with `*` and `?` in its last part means, in order. */
async function matches(path: string): Promise<string[]> {
  const folder = dirname(path);
  const form = basename(path)
    .replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll('*', '[^/]*')
    .replaceAll('?', '[^/]');
  const names = await readdir(folder).catch(() => []);
  return names
    .filter((name) => new RegExp(`^${form}$`).test(name))
    .sort()
    .map((name) => resolve(folder, name));
}
