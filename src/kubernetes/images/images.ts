import { readdirSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { criImages } from '../../../probes/kinds/cri.ts';
import type { Probe } from '../../../probes/probe.ts';
import { at, listAt, parseJson, textAt } from '../../../probes/transport/json.ts';
import { writeFileAtomically } from '../../lib/atomicFile.ts';
import { checkDisk } from '../../host/diskSpace.ts';
import type { Dependency, Task } from '../../engine/component.ts';
import type { NodeFacts } from '../facts.ts';
import { Failure } from '../../lib/errors.ts';
import { imageStore } from './imageStore.ts';
import { pinnedImages } from './pinnedImages.ts';

/** Images of several gigabytes take minutes to import. */
const timeoutMs = 600_000;

/** By place: the images that were imported from it, and the place's fingerprint at that time. */
type Imported = Readonly<
  Record<string, { readonly fingerprint: string; readonly images: readonly string[] }>
>;

/** On a full disk the kubelet looks every 10 s what it can remove. */
const liveTiming = { periodMs: 10_000, failureThreshold: 1 };

/**
 * Imports the images of the config and of the folders `images` in the data folder and in the cache. The milestone `node` waits
 * for it: on a ready node no pod finds its image missing. While the node runs, it restores the images that the kubelet has
 * deleted on a full disk, those of `image load`, too.
 */
export function images(facts: NodeFacts, needs: readonly Dependency[]): Task {
  const { paths } = facts;
  const pinned = pinnedImages(containerdOf(facts), paths.pinnedImages);
  const names = async (): Promise<string[]> => (await pinned.list()).map(({ name }) => name);
  const present = criImages(paths.containerdSocket, names);
  // Before there is room again the kubelet would delete them again; until then the milestone `node` has the reason.
  const live: Probe = async (signal) => (hasRoom(facts) ? present(signal) : undefined);
  return {
    kind: 'task',
    name: 'images',
    needs,
    timeoutMs,
    run: async (signal, report) => {
      await importImages(facts, signal, report);
      const gone = await pinned.restore(signal);
      if (gone.length > 0) report(`gone from the store, load again: ${gone.join(', ')}`);
    },
    live,
    liveTiming,
  };
}

function hasRoom({ paths, config }: NodeFacts): boolean {
  return checkDisk(paths.data, config.kubelet.minFreeMiB, paths.kubelet).level !== 'problem';
}

function containerdOf({ programs, paths, env, config }: NodeFacts) {
  const disk = { folder: paths.containerd, minFreeMiB: config.kubelet.minFreeMiB };
  return { ctr: programs.ctr, socket: paths.containerdSocket, env, disk };
}

/**
 * Imports places that are new, have changed, or whose images are gone from the store. Reports each before it
 * is imported.
 * @internal exported for tests
 */
export async function importImages(
  facts: NodeFacts,
  signal: AbortSignal,
  report: (reason: string) => void,
): Promise<void> {
  const { images: places, paths } = facts;
  // Most nodes import none: start no process.
  if (places.length === 0) return;
  const store = imageStore(containerdOf(facts));
  const pinned = pinnedImages(containerdOf(facts), paths.pinnedImages);
  // Next to the store it describes, so that both are removed together.
  const file = join(paths.containerd, 'imported.json');
  const before = parseJson(await readFile(file, 'utf8').catch(() => ''));
  const pinnedNames = new Set((await pinned.list()).map(({ name }) => name));
  const stored = new Set((await store.list()).map(({ name }) => name));
  const isThere = (image: string): boolean => stored.has(image) && pinnedNames.has(image);
  const imported: Record<string, Imported[string]> = {};
  for (const place of places) {
    const known = importedOf(at(before, place));
    const fingerprint = await fingerprintOf(place);
    const isCurrent = known?.fingerprint === fingerprint && known.images.every(isThere);
    if (!isCurrent) report(`importing ${place}`);
    imported[place] = isCurrent ? known : { fingerprint, images: await importPlace(place) };
    await writeFileAtomically(file, JSON.stringify(imported, undefined, 2));
  }

  async function importPlace(place: string): Promise<readonly string[]> {
    const found = await stat(place).catch(() => undefined);
    // Nobody may ever write to a pipe.
    if (found !== undefined && !found.isFile() && !found.isDirectory())
      throw new Failure('usage', `${place} is no image: it is neither a file nor a folder`);
    const names = await store.load(place, signal);
    await pinned.pin(names, signal);
    return names;
  }
}

/** Undefined if the record is missing or damaged: importing an image again is harmless. */
function importedOf(record: unknown): Imported[string] | undefined {
  const [fingerprint, listed] = [textAt(record, 'fingerprint'), listAt(record, 'images')];
  const names = listed.filter((name) => typeof name === 'string');
  const isWhole = fingerprint !== '' && names.length === listed.length;
  return isWhole ? { fingerprint, images: names } : undefined;
}

/** Size and time of the file or, for a folder in OCI layout, of its index, which every change rewrites. */
async function fingerprintOf(place: string): Promise<string> {
  const found = await stat(join(place, 'index.json')).catch(async () => stat(place).catch(() => undefined));
  return found === undefined ? 'not there' : `${found.size} bytes of ${found.mtimeMs}`;
}

/** The places to import images from: the named ones, and every entry of the folders that is not hidden. */
export function imagePlaces(named: readonly string[], ...folders: readonly string[]): string[] {
  return [...named, ...folders.flatMap(entries)];
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
