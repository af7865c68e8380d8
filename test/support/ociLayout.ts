import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';

const ociTypes = 'application/vnd.oci.image';

/** A reference to a blob (OCI image-spec, descriptor.md). */
interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: { readonly architecture: string; readonly os: string };
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A folder in OCI layout that is being made. */
export interface OciLayout {
  readonly dir: string;
  /** Adds an image with one file, by default for this machine's platform. With `zstd`, its layer is compressed so. */
  image(content: string, options?: { zstd?: boolean; architecture?: string }): Promise<Descriptor>;
  blob(mediaType: string, content: Buffer): Promise<Descriptor>;
  index(manifests: readonly Descriptor[]): Promise<Descriptor>;
  /** Writes index.json. */
  finish(manifests: readonly Descriptor[]): Promise<void>;
  /** Resolves with the path of an archive of the finished layout. */
  archive(): Promise<string>;
}

export async function ociLayout(dir: string): Promise<OciLayout> {
  await mkdir(join(dir, 'blobs/sha256'), { recursive: true });
  await writeFile(join(dir, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  const blob: OciLayout['blob'] = async (mediaType, content) => {
    const hex = createHash('sha256').update(content).digest('hex');
    await writeFile(join(dir, 'blobs/sha256', hex), content);
    return { mediaType, digest: `sha256:${hex}`, size: content.length };
  };
  const json = async (mediaType: string, value: object) =>
    blob(mediaType, Buffer.from(JSON.stringify(value)));
  const indexType = `${ociTypes}.index.v1+json`;
  return {
    dir,
    blob,
    image: async (content, { zstd = false, architecture = platform.architecture } = {}) => {
      const root = `${dir}.root`;
      await mkdir(root, { recursive: true });
      await writeFile(join(root, 'file'), content);
      const { stdout } = await execa('tar', ['-C', root, '-cf', '-', '.'], { encoding: 'buffer' });
      const tar = Buffer.from(stdout);
      const layerType = `${ociTypes}.layer.v1.tar`;
      const layer = await (zstd ? blob(`${layerType}+zstd`, zstdFrame(tar)) : blob(layerType, tar));
      const diffId = `sha256:${createHash('sha256').update(tar).digest('hex')}`;
      const config = await json(`${ociTypes}.config.v1+json`, {
        ...platform,
        architecture,
        rootfs: { type: 'layers', diff_ids: [diffId] },
      });
      const mediaType = `${ociTypes}.manifest.v1+json`;
      return json(mediaType, { schemaVersion: 2, mediaType, config, layers: [layer] });
    },
    index: async (manifests) => json(indexType, { schemaVersion: 2, mediaType: indexType, manifests }),
    finish: async (manifests) =>
      writeFile(
        join(dir, 'index.json'),
        JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests }),
      ),
    archive: async () => {
      await execa('tar', ['-C', dir, '-cf', `${dir}.tar`, '.']);
      return `${dir}.tar`;
    },
  };
}

/** This machine's platform, as images name it. */
export const platform = { architecture: process.arch === 'x64' ? 'amd64' : process.arch, os: 'linux' };

/** A frame of one uncompressed block: RFC 8878, 3.1.1. Node.js 20 cannot compress with zstd. */
function zstdFrame(content: Buffer): Buffer {
  if (content.length >= 128 * 1024) throw new Error('too large for one block');
  const header = Buffer.alloc(12);
  header.writeUInt32LE(0xfd2fb528, 0);
  // A single segment, whose size is given in 4 bytes.
  header.writeUInt8(0xa0, 4);
  header.writeUInt32LE(content.length, 5);
  // The last block, raw.
  header.writeUIntLE((content.length << 3) | 1, 9, 3);
  return Buffer.concat([header, content]);
}
