import { createHash } from 'node:crypto';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { Failure, reasonOf, type FailureCode } from '../lib/errors.ts';
import { imageArchive } from '../kubernetes/images/imageArchive.ts';

/** What the checks call in a pod. */
const applets = ['cat', 'httpd', 'nc', 'nslookup', 'sh', 'sleep'];

/** An image that is in a node's containerd as long as the run lasts. */
export interface OwnImage {
  readonly name: string;
  readonly remove: () => Promise<void>;
}

/**
 * Builds an image around a static busybox and imports it into the containerd behind `socket`. Each run has an image of
 * its own, so that none takes another's away.
 * @throws Failure `notReady` when containerd does not take it.
 */
export async function importImage(
  { ctr, busybox, socket, run }: { ctr: string; busybox: string; socket: string; run: string },
  signal: AbortSignal,
): Promise<OwnImage> {
  const name = `k8s-single.local/smoke:${run}`;
  const images = async (code: FailureCode, ...args: string[]) =>
    execa(ctr, ['--address', socket, '--namespace', 'k8s.io', 'images', ...args]).catch((cause: unknown) => {
      throw new Failure(code, `the image of the smoke test: ${reasonOf(cause)}`, { cause });
    });
  const folder = await mkdtemp(join(tmpdir(), 'k8s-single-smoke-'));
  try {
    const root = join(folder, 'root');
    const bin = join(root, 'bin');
    await mkdir(bin, { recursive: true });
    await mkdir(join(root, 'tmp'));
    await chmod(join(root, 'tmp'), 0o1777);
    await copyFile(busybox, join(bin, 'busybox'));
    await chmod(join(bin, 'busybox'), 0o755);
    for (const applet of applets) await symlink('busybox', join(bin, applet));
    const config = { Env: ['PATH=/bin'], Labels: { run } };
    const archive = await imageArchive(folder, { image: name, root, config }, signal);
    // containerd's CRI keeps it under its id as well: the digest of its config.
    const id = createHash('sha256').update(await readFile(join(folder, 'config.json')));
    const names = [name, `sha256:${id.digest('hex')}`];
    await images('notReady', 'import', archive);
    return { name, remove: async () => void (await images('smoke', 'rm', ...names)) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
