import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { Failure, reasonOf } from '../../lib/errors.ts';

/**
 * The images of a place as one archive. A place is a file (`docker save` or OCI layout, gzipped or not) or a
 * folder in OCI layout.
 * @throws Failure `usage` when it is neither.
 */
export async function archiveOf(place: string): Promise<Readable> {
  const entry = await stat(place).catch((cause: unknown) => {
    throw new Failure('usage', `cannot read the image ${place}: ${reasonOf(cause)}`, { cause });
  });
  if (!entry.isDirectory()) return unzipped(createReadStream(place), place);
  await access(join(place, 'oci-layout')).catch((cause: unknown) => {
    throw new Failure('usage', `${place} is not an image: the folder has no file "oci-layout"`, { cause });
  });
  // Loaded on demand: an ordinary boot does not need execa.
  const { execa } = await import('execa');
  return execa('tar', ['-C', place, '-cf', '-', '.'], { buffer: false }).readable();
}

/** The magic number of zstd: RFC 8878, 3.1.1. */
const zstdMagic = Buffer.from('28b52ffd', 'hex');

/**
 * The stream, decompressed if it is gzip.
 * @throws Failure `usage` when it is empty or zstd, which not every supported Node.js can decompress. The stream ends with one
 * when the gzip is damaged.
 */
export async function unzipped(stream: Readable, name = 'the image archive'): Promise<Readable> {
  await once(stream, 'readable');
  const start: Buffer | null = stream.read();
  if (start === null) throw new Failure('usage', `${name} is empty`);
  stream.unshift(start);
  if (start.subarray(0, 4).equals(zstdMagic))
    throw new Failure('usage', `${name} is compressed with zstd`, {
      hint: 'decompress it first: zstd -dc FILE | k8s-single image load -',
    });
  // The magic number of gzip: RFC 1952, 2.3.1.
  if (start[0] !== 0x1f || start[1] !== 0x8b) return stream;
  return Readable.from(gunzipped(stream, name), { objectMode: false });
}

async function* gunzipped(stream: Readable, name: string): AsyncGenerator<Buffer> {
  // Large chunks: an archive may have gigabytes.
  const unzip = pipeline(stream, createGunzip({ chunkSize: 256 * 1024 }), () => undefined);
  try {
    for await (const chunk of unzip) yield chunk;
  } catch (cause) {
    throw new Failure('usage', `${name} is damaged: ${reasonOf(cause)}`, {
      hint: 'write or download it again',
      cause,
    });
  }
}

/** The base name for images of a place that have only a tag: `localhost/app` for `dir/app.tar.gz`. */
export function nameOfPlace(place: string): string {
  const stem = basename(place)
    .toLowerCase()
    .replace(/\.(?:tar|tgz|tar\.gz|oci|img)$/, '');
  return `localhost/${stem.replaceAll(/[^a-z0-9]+/g, '-').replaceAll(/^-|-$/g, '') || 'image'}`;
}
