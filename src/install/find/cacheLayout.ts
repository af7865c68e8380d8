import { existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';

/** The version of Kubernetes in Debian 12's source package `kubernetes` (1.20.5+really1.20.2). */
export const debianKubernetes = '1.20.2';

/** Debian's name of this machine's architecture, by Node's. */
export const debianArch: string =
  { x64: 'amd64', ia32: 'i386', arm: 'armhf', ppc64: 'ppc64el' }[process.arch as string] ?? process.arch;

/** The unpacked packages of this machine's Debian release in the cache. */
export interface DebianTree {
  readonly root: string;
  /** One entry for each program, ready to run: a link, or a script that sets its library path. */
  readonly bin: string;
  /** The iptables commands, which depend on the running kernel. */
  readonly kernelBin: string;
}

/** The paths of that tree, which may not exist yet. */
export function debianTree(cacheDir: string): DebianTree {
  const osRelease = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  const field = (name: string) => new RegExp(`^${name}="?([\\w.-]+)"?$`, 'm').exec(osRelease)?.[1];
  const codename = field('VERSION_CODENAME') ?? field('ID') ?? 'unknown';
  const dir = join(cacheDir, 'debian', `${codename}-${debianArch}`);
  // Siblings: the scripts in them find the root by a relative path.
  return { root: join(dir, 'root'), bin: join(dir, 'bin'), kernelBin: join(dir, `iptables-${release()}`) };
}

/** The folders of the cache that hold binaries, which may not exist yet. */
export function cacheDirs(cacheDir: string): readonly string[] {
  const { bin, kernelBin } = debianTree(cacheDir);
  return [bin, kernelBin, kubernetesDir(cacheDir)];
}

/** The folder of official releases in the cache, which has one folder for each asset and version. */
export function releasesDir(cacheDir: string): string {
  return join(cacheDir, 'release');
}

/** The folder of the cache with the images of bundles: every node on this machine imports them. */
export function cacheImagesDir(cacheDir: string): string {
  return join(cacheDir, 'images');
}

/** The folder of Kubernetes as built on this machine. */
export function kubernetesDir(cacheDir: string): string {
  return join(cacheDir, 'kubernetes', `v${debianKubernetes}-${debianArch}`);
}
