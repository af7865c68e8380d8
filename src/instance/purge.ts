import { readdir, rm, rmdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { targetOf } from '../lib/atomicFile.ts';
import { nodePaths } from '../lib/paths.ts';

/** What a node creates in its data folder besides the folders of {@link nodePaths}. */
const others = [
  'boot.json',
  'cluster.json',
  'join-token',
  'node-id',
  'joinable',
  'failure.json',
  'versions.json',
  'versions.json.damaged',
  'pause-image',
  'images',
  'dns',
  'helper',
  'volumes',
  'lock',
  'system-folders',
  'upgrade',
  'upgrade.tmp',
  'snapshots',
  'restore',
  'restore.tmp',
  'replaced',
];

/**
 * Removes what a node created in its data folder, and the folder when nothing else is in it. Resolves with the names of
 * what is left: a user's own files stay.
 */
export async function purge(data: string): Promise<string[]> {
  const { pki, kubeconfigs, logs, etcd, apiserver, containerd, kubelet, cni, addons } = nodePaths(
    'any',
    data,
  );
  const made = [
    pki,
    kubeconfigs,
    logs,
    etcd,
    apiserver,
    containerd,
    kubelet,
    cni,
    ...others.map((name) => join(data, name)),
  ];
  const names = new Set(made.map((path) => basename(path)));
  // What a write that was interrupted has left beside them (atomicFile.ts).
  const temporary = (await readdir(data).catch(() => [])).filter((name) => names.has(targetOf(name) ?? ''));
  for (const path of [...made, ...temporary.map((name) => join(data, name))])
    await rm(path, { recursive: true, force: true });
  // The manifests in it are the user's. Hidden files are copies of those that were downloaded.
  const copies = (await readdir(addons).catch(() => [])).filter((name) => name.startsWith('.'));
  for (const name of copies) await rm(join(addons, name), { force: true });
  await rmdir(addons).catch(() => undefined);
  const left = await readdir(data).catch(() => []);
  if (left.length === 0) await rmdir(data).catch(() => undefined);
  return left;
}
