import { readdirSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dependency, Task } from '../../engine/component.ts';
import type { NodeFacts } from '../facts.ts';
import { imageStore } from './imageStore.ts';

/** Images of several gigabytes take minutes to import. */
const timeoutMs = 600_000;

/** By place: the images that were imported from it, and the place's fingerprint at that time. */
type Imported = Readonly<
  Record<string, { readonly fingerprint: string; readonly images: readonly string[] }>
>;

/**
 * Imports the images of the config and of the folder `images` in the data folder. The milestone `node` waits
 * for it: on a ready node no pod finds its image missing.
 */
export function images(facts: NodeFacts, needs: readonly Dependency[]): Task {
  return {
    kind: 'task',
    name: 'images',
    needs,
    timeoutMs,
    run: async (signal, report) => importImages(facts, signal, report),
  };
}

/**
 * Imports places that are new, have changed, or whose images are gone from the store. Reports each before it
 * is imported.
 * @internal exported for tests
 */
export async function importImages(
  { images: places, paths, programs, env }: NodeFacts,
  signal: AbortSignal,
  report: (reason: string) => void,
): Promise<void> {
  const store = imageStore({ ctr: programs.ctr, socket: paths.containerdSocket, env });
  // Next to the store it describes, so that both are removed together.
  const file = join(paths.containerd, 'imported.json');
  const before = await readFile(file, 'utf8')
    .then(parseImported)
    .catch((): Imported => ({}));
  const stored = new Set((await store.list()).map(({ name }) => name));
  const imported: Record<string, Imported[string]> = {};
  for (const place of places) {
    const known = before[place];
    const fingerprint = await fingerprintOf(place);
    const isCurrent = known?.fingerprint === fingerprint && known.images.every((image) => stored.has(image));
    if (!isCurrent) report(`importing ${place}`);
    imported[place] = isCurrent ? known : { fingerprint, images: await store.load(place, signal) };
    await writeFile(file, JSON.stringify(imported, undefined, 2));
  }
}

/** Throws when the file is incomplete. Importing an image again is harmless. */
function parseImported(text: string): Imported {
  const imported: Imported = JSON.parse(text);
  return imported;
}

/** Size and time of the file or, for a folder in OCI layout, of its index, which every change rewrites. */
async function fingerprintOf(place: string): Promise<string> {
  const found = await stat(join(place, 'index.json')).catch(async () => stat(place).catch(() => undefined));
  return found === undefined ? 'not there' : `${found.size} bytes of ${found.mtimeMs}`;
}

/** The places to import images from: the named ones, and every entry of `folder` that is not hidden. */
export function imagePlaces(named: readonly string[], folder: string): string[] {
  return [...named, ...entries(folder)];
}

function entries(folder: string): string[] {
  try {
    const names = readdirSync(folder).filter((name) => !name.startsWith('.'));
    return names.sort().map((name) => join(folder, name));
  } catch {
    // Most nodes have no such folder.
    return [];
  }
}
