import { chmod, copyFile, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { imageArchive } from '../../src/kubernetes/images/imageArchive.ts';
import { imageStore } from '../../src/kubernetes/images/imageStore.ts';
import { testBinaries } from './installBinaries.ts';

export const busyboxImage = 'k8s-single.local/busybox:1';

/** Builds an image of Debian's static busybox in the folder; resolves with the path of its archive. */
export async function busyboxArchive(folder: string, image: string): Promise<string> {
  const { busybox } = await testBinaries('busybox');
  const bin = join(folder, 'root/bin');
  await mkdir(bin, { recursive: true });
  await copyFile(busybox, join(bin, 'busybox'));
  await chmod(join(bin, 'busybox'), 0o755);
  for (const applet of ['sh', 'sleep', 'httpd', 'nc', 'cat']) await symlink('busybox', join(bin, applet));
  const config = { Cmd: ['sleep', '1000000'], Env: ['PATH=/bin'] };
  return imageArchive(folder, { image, root: join(folder, 'root'), config });
}

/** Builds {@link busyboxImage} and imports it into the containerd that listens on the socket. */
export async function importBusybox(socket: string): Promise<void> {
  const { ctr } = await testBinaries('ctr');
  const folder = await mkdtemp(join(tmpdir(), 'k8s-single-busybox-'));
  try {
    await imageStore({ ctr, socket }).load(await busyboxArchive(folder, busyboxImage));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
