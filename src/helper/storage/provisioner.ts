import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ensurePrivateFolder } from '../../lib/atomicFile.ts';
import { reasonOf } from '../../lib/errors.ts';
import { formatBytes } from '../../lib/text/text.ts';
import { eventOn } from '../cluster/events.ts';
import { ownLabels } from '../cluster/objects.ts';
import { reconcileOnChange } from '../cluster/reconcile.ts';
import type { Store } from '../cluster/store.ts';
import type { Change, Watches } from '../cluster/watches.ts';
import type { Check } from '../health.ts';
import type { StorageOptions } from '../options.ts';
import {
  bytesOf,
  hostLabel,
  isDefaultClass,
  provisionedBy,
  provisioner,
  readClaim,
  readClass,
  readVolume,
} from './objects.ts';
import type { Claim, StorageClass, Volume } from './objects.ts';

const execute = promisify(execFile);

/** The name of the class that is made here. */
const ownClass = 'k8s-single';
const classesPath = '/apis/storage.k8s.io/v1/storageclasses';
const volumesPath = '/api/v1/persistentvolumes';

/**
 * The API server as the provisioner uses it.
 * @internal exported for tests
 */
export interface StorageApi {
  readonly classes: Store<StorageClass>;
  readonly claims: Store<Claim>;
  readonly volumes: Store<Volume>;
  /** Rejects with a reason for a status that is not accepted. */
  readonly change: (change: Change, accepted: number[]) => Promise<void>;
}

/**
 * Provides volumes until the signal aborts. Everything is decided by what the API server has: no state of its own. Returns a
 * check that passes when there is a class.
 */
export function runProvisioner(options: StorageOptions, watches: Watches, signal: AbortSignal): Check {
  const api: StorageApi = {
    classes: watches.store({ path: classesPath, read: readClass }),
    claims: watches.store({ path: '/api/v1/persistentvolumeclaims', read: readClaim }),
    volumes: watches.store({ path: volumesPath, read: readVolume }),
    change: async (change, accepted) => watches.change(change, accepted),
  };
  const own = new Provisioner(api, options);
  reconcileOnChange([api.classes, api.claims, api.volumes], async () => own.reconcile(), signal);
  return () => own.failure;
}

/**
 * Binds claims to folders, and removes the folders of deleted claims.
 * @internal exported for tests
 */
export class Provisioner {
  readonly #api: StorageApi;
  readonly #options: StorageOptions;
  /** What was said last of an object, by its UID or name. */
  readonly #said = new Map<string, string>();

  constructor(api: StorageApi, options: StorageOptions) {
    this.#api = api;
    this.#options = options;
  }

  /** Does what is to do now. Failures go to the log; a later call tries again. */
  async reconcile(): Promise<void> {
    const { classes, claims, volumes } = this.#api;
    if (![classes, claims, volumes].every(({ isSynced }) => isSynced)) return;
    await this.#attempt(ownClass, async () => this.#publishClass());
    for (const claim of claims.values())
      await this.#attempt(`${claim.namespace}/${claim.name}`, async () => this.#provide(claim));
    for (const volume of volumes.values())
      await this.#attempt(volume.name, async () => this.#reclaim(volume));
  }

  /** Why there is no class; undefined if there is one. */
  get failure(): string | undefined {
    // Also when a user has made the own class no default one.
    const isUsable = [...this.#api.classes.values()].some(
      ({ name, isDefault }) => isDefault || name === ownClass,
    );
    return isUsable ? undefined : (this.#said.get(ownClass) ?? 'there is no StorageClass yet');
  }

  async #attempt(what: string, action: () => Promise<void>): Promise<void> {
    try {
      await action();
      this.#said.delete(what);
    } catch (error) {
      this.#log(what, reasonOf(error));
    }
  }

  #log(what: string, reason: string): void {
    if (this.#said.get(what) !== reason) console.error(`${what}: ${reason}`);
    this.#said.set(what, reason);
  }

  /** Makes the class unless there is a default one. Two make claims without a class fail: then ours is none any more. */
  async #publishClass(): Promise<void> {
    const { classes, change } = this.#api;
    const { nodeName } = this.#options;
    const own = classes.get('', ownClass);
    const other = [...classes.values()].find(({ name, isDefault }) => isDefault && name !== ownClass);
    if (own === undefined && other === undefined)
      await change({ method: 'POST', path: classesPath, body: classObject(nodeName) }, [201, 409]);
    // The scheduler places pods with claims of the class on the node that has the folders.
    if (own?.provisioner === provisioner && own.hosts.join() !== nodeName) {
      const body = { allowedTopologies: onlyOn(nodeName) };
      const type = 'application/merge-patch+json';
      await change({ method: 'PATCH', path: `${classesPath}/${ownClass}`, body, type }, [200, 404]);
    }
    if (own?.isDefault === true && own.provisioner === provisioner && other !== undefined) {
      const body = { metadata: { annotations: { [isDefaultClass]: 'false' } } };
      const type = 'application/merge-patch+json';
      await change({ method: 'PATCH', path: `${classesPath}/${ownClass}`, body, type }, [200, 404]);
      console.error(`${other.name} is the default StorageClass now`);
    }
  }

  async #provide(claim: Claim): Promise<void> {
    const { classes, volumes, change } = this.#api;
    const { folder, nodeName } = this.#options;
    const ofClass = classes.get('', claim.className);
    if (claim.provisioner !== provisioner || ofClass?.provisioner !== provisioner) return;
    if (claim.volumeName !== '' || volumes.get('', volumeName(claim)) !== undefined) return;
    if (claim.node === '' && !ofClass.isImmediate) return;
    if (claim.node !== '' && claim.node !== nodeName) {
      await this.#report(
        claim,
        `${provisioner} has volumes on node ${nodeName} only: give class ${ofClass.name} allowedTopologies as ${ownClass} has`,
      );
      return;
    }
    ensurePrivateFolder(folder);
    const refusal = refusalOf(claim, freeBytes(folder));
    if (refusal !== undefined) {
      await this.#report(claim, refusal);
      return;
    }
    const path = folderOf(folder, claim);
    mkdirSync(path, { recursive: true });
    // Pods run as any user. Not by the mode of mkdir, which the umask reduces.
    chmodSync(path, 0o777);
    const body = volumeObject({ claim, ofClass, path, nodeName });
    await change({ method: 'POST', path: volumesPath, body }, [201, 409]);
  }

  /** An event on the claim, once for each claim. */
  async #report(claim: Claim, message: string): Promise<void> {
    if (this.#said.has(claim.uid)) return;
    const { namespace, name } = claim;
    const what = { type: 'Warning', reason: 'ProvisioningFailed', message, source: provisioner } as const;
    await this.#api.change(eventOn({ kind: 'PersistentVolumeClaim', ...claim }, what), [201]);
    this.#log(claim.uid, `${namespace}/${name}: ${message}`);
  }

  /** Removes a volume whose claim is gone: first its folder, so that a failure in between loses nothing. */
  async #reclaim(volume: Volume): Promise<void> {
    const isToDelete = volume.phase === 'Released' && volume.reclaimPolicy === 'Delete';
    if (volume.provisioner !== provisioner || !isToDelete) return;
    const path = folderOf(this.#options.folder, volume.claim);
    if (path !== volume.path)
      throw new Error(`${volume.path} is not the folder of its claim, ${path}: remove the volume yourself`);
    await removeTree(path);
    await this.#api.change({ method: 'DELETE', path: `${volumesPath}/${volume.name}` }, [200, 202, 404]);
  }
}

/**
 * With the program, which opens each folder relative to the one above it: rm of Node.js goes by paths, and a container that is still
 * running, as after a forced deletion of its pod, may put a link into one.
 */
async function removeTree(path: string): Promise<void> {
  await execute('rm', ['-rf', '--one-file-system', '--', path]);
}

/** Why a claim gets no volume; undefined if it does. */
function refusalOf({ volumeMode, size }: Claim, free: number): string | undefined {
  if (volumeMode === 'Block') return `${provisioner} has no block devices: set volumeMode to Filesystem`;
  const asked = bytesOf(size);
  if (asked <= free) return undefined;
  return `the claim asks for ${size} (${formatBytes(asked)}), but the disk of the data folder has ${formatBytes(free)} free`;
}

function freeBytes(folder: string): number {
  const { bsize, bavail } = statfsSync(folder);
  return bsize * bavail;
}

function volumeName({ uid }: { readonly uid: string }): string {
  return `pvc-${uid}`;
}

/** The folder of a claim: directly below `root`, for any object of the API. At most 255 bytes. */
function folderOf(root: string, { namespace, name, uid }: Volume['claim']): string {
  const parts = [`${name}_${namespace}`.slice(0, 200), uid];
  if (parts.some((part) => part === '' || part.includes('/'))) throw new Error('its claim has no valid name');
  return join(root, parts.join('_'));
}

function classObject(nodeName: string): object {
  return {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: {
      name: ownClass,
      labels: ownLabels,
      annotations: { [isDefaultClass]: 'true' },
    },
    provisioner,
    reclaimPolicy: 'Delete',
    volumeBindingMode: 'WaitForFirstConsumer',
    allowedTopologies: onlyOn(nodeName),
  };
}

function onlyOn(nodeName: string): object[] {
  return [{ matchLabelExpressions: [{ key: hostLabel, values: [nodeName] }] }];
}

interface VolumeParts {
  readonly claim: Claim;
  readonly ofClass: StorageClass;
  readonly path: string;
  readonly nodeName: string;
}

function volumeObject({ claim, ofClass, path, nodeName }: VolumeParts): object {
  const { namespace, name, uid, accessModes, size } = claim;
  const onNode = { key: hostLabel, operator: 'In', values: [nodeName] };
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: volumeName(claim), annotations: { [provisionedBy]: provisioner } },
    spec: {
      capacity: { storage: size },
      accessModes,
      persistentVolumeReclaimPolicy: ofClass.reclaimPolicy,
      storageClassName: ofClass.name,
      volumeMode: 'Filesystem',
      claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name, uid },
      // Not hostPath, of which the kubelet reports no sizes, and which it does not give to the pod's fsGroup.
      local: { path },
      nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [onNode] }] } },
    },
  };
}
