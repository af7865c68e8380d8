import { readFileSync, statSync } from 'node:fs';
import { publisherClient, requestReason, withoutPassword } from '../../install/release/client.ts';
import { writeFileAtomicallySync } from '../../lib/atomicFile.ts';
import { reasonOf } from '../../lib/errors.ts';
import { hasErrorCode } from '../../lib/systemError.ts';
import { parseManifest } from './manifest.ts';
import type { ManifestObject } from './manifest.ts';
import type { AddonSource } from './source.ts';

/** What to read. */
export type ManifestOrder = Pick<AddonSource, 'from' | 'place'>;

/** The objects, or why there are none. */
export type ManifestResult =
  | { readonly objects: readonly ManifestObject[]; readonly note?: string }
  | { readonly problem: string };

const maxBytes = 16 * 1024 * 1024;

/** Reads and parses a manifest. With a URL, the last good copy if it cannot be downloaded. */
export async function readManifest({ from, place }: ManifestOrder): Promise<ManifestResult> {
  try {
    if ('text' in from) return { objects: parseManifest(from.text) };
    if ('file' in from) return { objects: parseManifest(readText(from.file)) };
    return await download(from);
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return { problem: `there is no file ${place}` };
    return { problem: `${place}: ${reasonOf(error)}` };
  }
}

function readText(file: string): string {
  const stat = statSync(file);
  // A pipe would be waited for.
  if (!stat.isFile()) throw new Error('it is not a file');
  if (stat.size > maxBytes) throw new Error(`it is larger than ${maxBytes / 1024 / 1024} MiB`);
  return new TextDecoder('utf8', { fatal: true }).decode(readFileSync(file));
}

/** The copy's first line has its URL: a copy of another one is none. */
async function download({ url, copy }: { url: string; copy: string }): Promise<ManifestResult> {
  const heading = `# ${url}\n`;
  let text: string | undefined;
  try {
    text = await publisherClient().text(url, AbortSignal.timeout(60_000));
    if (text === undefined) throw new Error('the server does not have it');
    const objects = parseManifest(text);
    writeFileAtomicallySync(copy, heading + text, { mode: 0o600 });
    return { objects };
  } catch (error) {
    if (text !== undefined) throw error;
    const reason = `cannot download ${withoutPassword(url)}: ${requestReason(error, url)}`;
    const old = lastCopy(copy, heading);
    if (old !== undefined) return { objects: parseManifest(old), note: `${reason}; its last copy is used` };
    return { problem: `${reason}; without a network, take "file:" and load its images` };
  }
}

function lastCopy(copy: string, heading: string): string | undefined {
  try {
    const text = readText(copy);
    return text.startsWith(heading) ? text.slice(heading.length) : undefined;
  } catch {
    return undefined;
  }
}
