import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** An image with one layer. */
export interface SmallImage {
  /** Name and tag. */
  readonly image: string;
  /** The folder that becomes the image's root directory. */
  readonly root: string;
  /** The field `config` of the image's JSON: Entrypoint, Cmd, Env, ... (OCI image-spec, config.md). */
  readonly config: Readonly<Record<string, unknown>>;
}

const architectures: Readonly<Record<string, string>> = {
  x64: 'amd64',
  arm64: 'arm64',
  arm: 'arm',
  ppc64: 'ppc64le',
};

/**
 * Writes the image to `folder` in the format of `docker save`, which every containerd can import. Resolves
 * with the path of the archive. `folder` must exist and not be inside `root`.
 */
export async function imageArchive(folder: string, small: SmallImage, signal?: AbortSignal): Promise<string> {
  const { image, root, config } = small;
  // Containers may run as any user, so every file is readable, whatever the umask under which it was made.
  const owner = ['--numeric-owner', '--owner=0', '--group=0', '--mode=a+rX'];
  const tar = async (file: string, dir: string, ...names: string[]) =>
    execute(
      'tar',
      [...owner, '-C', dir, '-cf', join(folder, file), ...names],
      signal === undefined ? {} : { signal },
    );
  await tar('layer.tar', root, '.');
  const layer = createHash('sha256').update(await readFile(join(folder, 'layer.tar')));
  const description = {
    architecture: architectures[process.arch] ?? process.arch,
    os: 'linux',
    config,
    rootfs: { type: 'layers', diff_ids: [`sha256:${layer.digest('hex')}`] },
  };
  await writeFile(join(folder, 'config.json'), JSON.stringify(description));
  const manifest = [{ Config: 'config.json', RepoTags: [image], Layers: ['layer.tar'] }];
  await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest));
  await tar('image.tar', folder, 'manifest.json', 'config.json', 'layer.tar');
  return join(folder, 'image.tar');
}
