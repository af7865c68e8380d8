import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { execa } from 'execa';
import { imageArchive } from '../../src/kubernetes/images/imageArchive.ts';

interface ProgramImage {
  readonly image: string;
  /** Paths on this machine. They are in /usr/bin of the image. */
  readonly programs: readonly string[];
  /** More files, by their path in the image. */
  readonly files?: Readonly<Record<string, string>>;
  /** To find the programs' libraries. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Builds an image of dynamically linked programs with their libraries; resolves with the path of its archive. */
export async function programImage(
  folder: string,
  { image, programs, files = {}, env = {} }: ProgramImage,
): Promise<string> {
  const root = join(folder, 'root');
  const add = async (from: string, to: string): Promise<void> => {
    await mkdir(dirname(join(root, to)), { recursive: true });
    await copyFile(from, join(root, to));
  };
  for (const program of programs) {
    await add(program, join('usr/bin', basename(program)));
    const { stdout } = await execa('ldd', [program], { env });
    for (const [, path = ''] of stdout.matchAll(/(\/\S+)/g)) {
      // The loader has its own place; the others are found by their names in this folder.
      await add(path, /\/ld-linux/.test(path) ? path : join('usr/lib', basename(path)));
    }
  }
  for (const [to, from] of Object.entries(files)) await add(from, to);
  await mkdir(join(root, 'etc'), { recursive: true });
  await writeFile(join(root, 'etc/nsswitch.conf'), 'hosts: files dns\n');
  const config = { Env: ['PATH=/usr/bin:/bin', 'LD_LIBRARY_PATH=/usr/lib'] };
  return imageArchive(folder, { image, root, config });
}
