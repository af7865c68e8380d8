import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseJson, textAt } from '../../probes/transport/json.ts';
import { note } from '../host/checkResult.ts';
import type { CheckResult } from '../host/checkResult.ts';
import type { Paths } from '../lib/paths.ts';
import { readRecord, versionsFile } from './dataVersions.ts';
import { isPinFile, parsePin } from './images/pinnedImages.ts';
import { pkiPaths } from './pki/paths.ts';

/**
 * Finds what has been lost from the data of a node that ran before, which its programs do not notice: they would be ready, and no
 * pod would start. Sets an image store aside of which a part is missing: it is made anew. Call it before anything starts.
 */
export function checkData(paths: Paths, snapshotter: string): CheckResult[] {
  const pins = pinsOf(paths);
  const results = [
    lostKeys(paths),
    damagedRecord(paths),
    damagedPins(pins),
    repairImageStore(paths, snapshotter, pins),
  ];
  return results.flatMap((result) => result ?? []);
}

/** New keys are made, but what was signed with the old ones stays refused. */
function lostKeys({ etcd, pki }: Paths): CheckResult | undefined {
  const files = pkiPaths(pki);
  const { public: publicKey, private: privateKey } = files.serviceAccount;
  if (!existsSync(join(etcd, 'member')) || existsSync(publicKey) || existsSync(privateKey)) return undefined;
  const isAll = !existsSync(files.ca.cert) && !existsSync(files.ca.key);
  const what = isAll ? `all of ${pki}` : `${privateKey} (with ${publicKey})`;
  const clients = isAll ? ', and so is every kubeconfig of before' : '';
  return note(
    'pki',
    `${what} has gone since the last start: a new one is made, and the tokens that pods have are refused (401)${clients}`,
    'put it back, or delete the Secrets of type kubernetes.io/service-account-token, and then the pods: they get new ones',
  );
}

/** A record that cannot be read says nothing of the data's versions: it is not taken for one of this version in silence. */
function damagedRecord({ data }: Paths): CheckResult | undefined {
  const text = readRecord(data);
  if (text === undefined || textAt(parseJson(text), 'kube-apiserver') !== '') return undefined;
  const file = versionsFile(data);
  renameSync(file, `${file}.damaged`);
  return note(
    'data',
    `${file} was damaged, and is now ${basename(file)}.damaged: nothing tells which versions have run on this data`,
    'if it was another minor version of Kubernetes or etcd, take the node down and start it with that one',
  );
}

interface Pin {
  readonly file: string;
  /** Undefined if the file is damaged. */
  readonly image: ReturnType<typeof parsePin>;
}

function pinsOf({ pinnedImages }: Paths): Pin[] {
  const files = entries(pinnedImages).filter(isPinFile);
  return files
    .map((name) => join(pinnedImages, name))
    .map((file) => ({ file, image: parsePin(textOf(file)) }));
}

/** An image whose file cannot be read is not restored after the kubelet has deleted it. */
function damagedPins(pins: readonly Pin[]): CheckResult | undefined {
  const damaged = pins.filter(({ image }) => image === undefined).map(({ file }) => file);
  if (damaged.length === 0) return undefined;
  for (const file of damaged) renameSync(file, `${file}.damaged`);
  return note(
    'images',
    `damaged, and now beside it with the ending .damaged: ${damaged.join(', ')}; on a full disk that image may be deleted`,
    'load again what "image load" has brought; those of the config come by themselves',
  );
}

/** The images that the node has pinned tell what the store must have: see images/pinnedImages.ts. */
function repairImageStore(
  { containerd, pinnedImages }: Paths,
  snapshotter: string,
  pins: readonly Pin[],
): CheckResult | undefined {
  const pinned = pins.flatMap(({ image }) => image ?? []);
  const digests = pinned.map(({ digest }) => digest);
  if (digests.length === 0) return undefined;
  const root = join(containerd, 'root');
  const snapshots = join(root, `io.containerd.snapshotter.v1.${snapshotter}`);
  const blobs = join(root, 'io.containerd.content.v1.content/blobs');
  // Data on another disk may need another snapshotter, which has no snapshots yet.
  const isOther = !existsSync(snapshots) && entries(root).some((name) => hasDatabase(join(root, name)));
  const needed = [
    join(root, 'io.containerd.metadata.v1.bolt/meta.db'),
    ...(isOther ? [] : [join(snapshots, 'metadata.db')]),
    ...digests.map((digest) => join(blobs, digest.replace(':', '/'))),
  ];
  const folder = join(snapshots, 'snapshots');
  const hasSnapshots = isOther || entries(folder).length > 0;
  const missing = needed.find((file) => !existsSync(file)) ?? (hasSnapshots ? undefined : folder);
  if (missing === undefined) return undefined;
  const aside = join(containerd, 'root.damaged');
  // Without a store, this has been interrupted, and what is there was set aside then.
  if (existsSync(root)) {
    rmSync(aside, { recursive: true, force: true });
    renameSync(root, aside);
  }
  rmSync(pinnedImages, { recursive: true, force: true });
  const names = pinned.map(({ name }) => name);
  return note(
    'images',
    `${missing} has gone since the last start: the image store is made anew, and what was left of it is in ${aside}`,
    `load again what "image load" has brought: it had ${names.toSorted().join(', ')}; those of the config come by themselves`,
  );
}

/** Whether the folder is that of a snapshotter that has been used. */
function hasDatabase(folder: string): boolean {
  return (
    basename(folder).startsWith('io.containerd.snapshotter.v1.') && existsSync(join(folder, 'metadata.db'))
  );
}

/** Empty if it is no folder. */
function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
