import { existsSync } from 'node:fs';
import { homedir, tmpdir, userInfo } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';

/** The files and folders of one node: absolute paths; nothing is created. */
export interface Paths {
  /** Survives `down`: certificates, etcd's data, images. Removed by `down --purge`. */
  readonly data: string;
  /** Exists as long as the node: sockets, node.json. */
  readonly run: string;
  readonly pki: string;
  readonly kubeconfigs: string;
  /** The administrator's kubeconfig. */
  readonly kubeconfig: string;
  readonly logs: string;
  readonly etcd: string;
  /** The API server's own files: the audit policy and the keys for Secrets. */
  readonly apiserver: string;
  readonly containerd: string;
  /** What is known of the images that stay on a full disk: see kubernetes/images/pinnedImages.ts. */
  readonly pinnedImages: string;
  readonly kubelet: string;
  readonly cni: string;
  /** Manifests that are applied: see kubernetes/addons. */
  readonly addons: string;
  /** Snapshots of the cluster. */
  readonly snapshots: string;
  /** The node's control socket (HTTP). */
  readonly controlSocket: string;
  /** A file that is there while the node belongs to the pool, and is frozen most of the time. */
  readonly poolMark: string;
  readonly containerdSocket: string;
  /** Where the helper process says whether it works: see helper/health.ts. */
  readonly helperSocket: string;
}

/** Valid names of a node. Strict, because `down` removes everything below paths that contain the name. */
export const nodeName = /^(?=.{1,40}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
/** The same rule in words. */
export const nodeNameForm = 'at most 40 lower-case letters, digits and dashes';

/** The name of an addon: also that of its file without the extension, and part of a component's name. */
export const addonName = /^(?=.{1,50}$)[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;
/** The same rule in words. */
export const addonNameForm = 'at most 50 lower-case letters, digits, dots and dashes';

/** The paths of the node `name`. `run` is short because a unix socket's path has at most 107 bytes (unix(7)). */
export function nodePaths(name: string, dataDir = join('/var/lib/k8s-single', name)): Paths {
  const run = join('/run/k8s-single', name);
  return {
    data: dataDir,
    run,
    pki: join(dataDir, 'pki'),
    kubeconfigs: join(dataDir, 'kubeconfig'),
    kubeconfig: join(dataDir, 'kubeconfig', 'admin.conf'),
    logs: join(dataDir, 'log'),
    etcd: join(dataDir, 'etcd'),
    apiserver: join(dataDir, 'apiserver'),
    containerd: join(dataDir, 'containerd'),
    pinnedImages: join(dataDir, 'containerd', 'pinned-images'),
    kubelet: join(dataDir, 'kubelet'),
    cni: join(dataDir, 'cni'),
    addons: join(dataDir, 'addons'),
    snapshots: join(dataDir, 'snapshots'),
    controlSocket: join(run, 'control.sock'),
    poolMark: join(run, 'pooled'),
    containerdSocket: join(run, 'containerd.sock'),
    helperSocket: join(run, 'helper.sock'),
  };
}

/** The systemd unit of a node, as `systemd install` makes it. */
export function unitOf(name: string): { readonly name: string; readonly file: string } {
  const unit = name === 'default' ? 'k8s-single.service' : `k8s-single-${name}.service`;
  return { name: unit, file: join('/etc/systemd/system', unit) };
}

/** The user's home folder: HOME, or that of the user database if it is no absolute path. */
export function homeDir(): string {
  const home = homedir();
  return isAbsolute(home) ? home : userInfo().homedir;
}

/** The folder for temporary files: TMPDIR, or /tmp if there is no such folder. */
export function tempDir(): string {
  const given = tmpdir();
  return isAbsolute(given) && existsSync(given) ? given : '/tmp';
}

/** The user's cache folder, for files that are slow to create and safe to lose. */
export function cacheDir(): string {
  // By the XDG Base Directory Specification, a relative path is ignored.
  const given = process.env['XDG_CACHE_HOME'] ?? '';
  return join(isAbsolute(given) ? given : join(homeDir(), '.cache'), 'k8s-single');
}

/** The path of a file of this package, relative to its top: works from the sources, from dist/ and when installed. */
export function packageFile(path: string): string {
  let dir = import.meta.dirname;
  while (!existsSync(join(dir, 'package.json')) && dir !== '/') dir = dirname(dir);
  return join(dir, path);
}

/** The path of a bundled program of our own: `programFile('cleanup')` is `dist/bundle/cleanup.cjs`. */
export function programFile(name: string): string {
  return packageFile(`dist/bundle/${name}.cjs`);
}

/** The path itself, or its nearest ancestor that exists. */
export function nearestExisting(path: string): string {
  return existsSync(path) ? path : nearestExisting(dirname(path));
}
