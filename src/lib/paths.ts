import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

/** Where one node keeps its things. All absolute; computed, nothing is created. */
export interface Paths {
  /** What survives `down`: certificates, etcd's data, images. Removed by `down --purge`. */
  readonly data: string;
  /** What lives as long as the node: sockets, node.json. */
  readonly run: string;
  readonly pki: string;
  readonly kubeconfigs: string;
  readonly logs: string;
  readonly etcd: string;
  readonly containerd: string;
  readonly kubelet: string;
  readonly cni: string;
  /** The node's control socket (HTTP). */
  readonly controlSocket: string;
  readonly containerdSocket: string;
}

/** What a node may be called: its name is part of paths below which `down` removes everything. */
export const nodeName = /^(?=.{1,40}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
/** The same in words. */
export const nodeNameForm = 'at most 40 lower-case letters, digits and dashes';

/** The paths of the node `name`. `run` is short because a unix socket's path holds 107 bytes at most (unix(7)). */
export function nodePaths(name: string, dataDir = join('/var/lib/k8s-single', name)): Paths {
  const run = join('/run/k8s-single', name);
  return {
    data: dataDir,
    run,
    pki: pkiIn(dataDir),
    kubeconfigs: join(dataDir, 'kubeconfig'),
    logs: join(dataDir, 'log'),
    etcd: join(dataDir, 'etcd'),
    containerd: join(dataDir, 'containerd'),
    kubelet: join(dataDir, 'kubelet'),
    cni: join(dataDir, 'cni'),
    controlSocket: join(run, 'control.sock'),
    containerdSocket: join(run, 'containerd.sock'),
  };
}

/** Where certificates and keys are in a data folder. */
export function pkiIn(dataDir: string): string {
  return join(dataDir, 'pki');
}

/** The user's cache folder for what is slow to make and safe to lose. */
export function cacheDir(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'k8s-single');
}

/** The path of a file of this package, given as seen from its top: from the sources, from what is built of them, installed. */
export function packageFile(path: string): string {
  let dir = import.meta.dirname;
  while (!existsSync(join(dir, 'package.json')) && dir !== '/') dir = dirname(dir);
  return join(dir, path);
}

/** The path of a program of ours, as the bundler writes it: `programFile('cleanup')` is `dist/bundle/cleanup.cjs`. */
export function programFile(name: string): string {
  return packageFile(`dist/bundle/${name}.cjs`);
}
