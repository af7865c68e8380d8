import { createHash } from 'node:crypto';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure, reasonOf, type FailureCode } from '../lib/errors.ts';
import { tempDir } from '../lib/paths.ts';
import { imageArchive } from '../kubernetes/images/imageArchive.ts';
import { ctrImages } from '../kubernetes/images/imageStore.ts';

/** The commands that the checks run in a pod. */
const applets = ['cat', 'httpd', 'nc', 'nslookup', 'sh', 'sleep'];

/** An image that is in the node's containerd until the run ends. */
export interface OwnImage {
  readonly name: string;
  readonly remove: () => Promise<void>;
}

/**
 * Builds an image from a static busybox and imports it into the containerd behind `socket`. Each run has its
 * own image, so that concurrent runs do not remove each other's.
 * @throws Failure `notReady` when containerd does not import it.
 */
export async function importImage(
  { ctr, busybox, socket, run }: { ctr: string; busybox: string; socket: string; run: string },
  signal: AbortSignal,
): Promise<OwnImage> {
  const name = `k8s-single.local/smoke:${run}`;
  const images = ctrImages({ ctr, socket });
  const folder = await mkdtemp(join(tempDir(), 'k8s-single-smoke-'));
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
    // CRI also stores it under its id, the digest of its config.
    const id = createHash('sha256').update(await readFile(join(folder, 'config.json')));
    const names = [name, `sha256:${id.digest('hex')}`];
    await images(['import', archive]).catch(failed('import', 'notReady'));
    return {
      name,
      remove: async () => void (await images(['rm', ...names]).catch(failed('remove', 'smoke'))),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function failed(what: 'import' | 'remove', code: FailureCode): (cause: unknown) => never {
  return (cause) => {
    throw new Failure(code, `cannot ${what} the image of the smoke test: ${reasonOf(cause)}`, { cause });
  };
}
