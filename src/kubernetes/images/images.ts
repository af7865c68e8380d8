import { readdirSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dependency, Task } from '../../engine/component.ts';
import type { NodeFacts } from '../facts.ts';

/** An import may take long: an image is gigabytes at times. */
const timeoutMs = 600_000;

/** What was imported from a place, and what the place looked like then. */
type Imported = Readonly<Record<string, { readonly state: string; readonly images: readonly string[] }>>;

/**
 * Imports the images of the config and of the data folder's `images`. Part of the node's milestone, so that a pod of a
 * ready node never finds its image missing.
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

/** Imports those that are new, have changed or are in the store no longer; `report` says which. */
export async function importImages(
  { images: places, paths, programs, env }: NodeFacts,
  signal: AbortSignal,
  report: (reason: string) => void,
): Promise<void> {
  // With a library that a node without images has no need of.
  const { imageStore } = await import('./imageStore.ts');
  const store = imageStore({ ctr: programs.ctr, socket: paths.containerdSocket, env });
  // Beside the store that it speaks of: they are lost together.
  const file = join(paths.containerd, 'imported.json');
  const before = await readFile(file, 'utf8')
    .then(parse)
    .catch((): Imported => ({}));
  const there = new Set((await store.list()).map(({ name }) => name));
  const imported: Record<string, Imported[string]> = {};
  for (const place of places) {
    const known = before[place];
    const state = await stateOf(place);
    const isThere = known?.state === state && known.images.every((image) => there.has(image));
    if (!isThere) report(`importing ${place}`);
    imported[place] = isThere ? known : { state, images: await store.load(place, signal) };
    await writeFile(file, JSON.stringify(imported, undefined, 2));
  }
}

/** Throws when it was cut off: to import again is never wrong. */
function parse(text: string): Imported {
  const imported: Imported = JSON.parse(text);
  return imported;
}

/** What changes when the file does, or the folder in OCI layout, whose index is written anew. */
async function stateOf(place: string): Promise<string> {
  const found = await stat(join(place, 'index.json')).catch(async () => stat(place).catch(() => undefined));
  return found === undefined ? 'not there' : `${found.size} bytes of ${found.mtimeMs}`;
}

/** The places to import images from: those named, and in a folder of images everything that is not hidden. */
export function imagePlaces(named: readonly string[], folder: string): string[] {
  return [...named, ...entries(folder)];
}

function entries(folder: string): string[] {
  try {
    const names = readdirSync(folder).filter((name) => !name.startsWith('.'));
    return names.sort().map((name) => join(folder, name));
  } catch {
    // Most nodes have none.
    return [];
  }
}
