import { chmod, copyFile, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { install } from '../../src/install/install.ts';
import { imageNeeds, nodeNeeds } from '../../src/install/needs.ts';
import { imageArchive } from '../../src/node/imageArchive.ts';
import { cacheDir } from '../../src/paths.ts';

export const busyboxImage = 'k8s-single.local/busybox:1';

/** Builds an image of Debian's static busybox and imports it into the containerd behind the socket. */
export async function importBusybox(containerdSocket: string): Promise<void> {
  const { files } = await install({
    binDirs: [],
    cacheDir: cacheDir(),
    needs: [...nodeNeeds, ...imageNeeds],
  });
  const folder = await mkdtemp(join(tmpdir(), 'k8s-single-busybox-'));
  try {
    const bin = join(folder, 'root/bin');
    await mkdir(bin, { recursive: true });
    await copyFile(files.busybox, join(bin, 'busybox'));
    await chmod(join(bin, 'busybox'), 0o755);
    for (const applet of ['sh', 'sleep', 'httpd', 'nc', 'cat']) await symlink('busybox', join(bin, applet));
    const config = { Cmd: ['sleep', '1000000'], Env: ['PATH=/bin'] };
    const archive = await imageArchive(folder, { image: busyboxImage, root: join(folder, 'root'), config });
    await execa(files.ctr, [
      '--address',
      containerdSocket,
      '--namespace',
      'k8s.io',
      'images',
      'import',
      archive,
    ]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
