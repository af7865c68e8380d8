import { basename, join } from 'node:path';
import { reasonOf } from '../../lib/errors.ts';
import { eventOn } from '../cluster/events.ts';
import { ownLabels } from '../cluster/objects.ts';
import { reconcileOnChange } from '../cluster/reconcile.ts';
import type { Store } from '../cluster/store.ts';
import type { Change, Watches } from '../cluster/watches.ts';
import type { Check } from '../health.ts';
import type { StorageOptions } from '../options.ts';
import { nodes } from '../workers/node.ts';
import type { ClusterNode } from '../workers/node.ts';
import { askFor, doneOn, hasVolumes } from '../workers/volumes.ts';
import { makeFolder, removeFolder } from './folders.ts';
import {
  bytesOf,
  hostLabel,
  isDefaultClass,
  provisionedBy,
  provisioner,
  readClaim,
  readClass,
  readVolume,
  selectedNode,
} from './objects.ts';
import type { Claim, StorageClass, Volume } from './objects.ts';

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
  /** Undefined in a cluster without workers. */
  readonly nodes?: Store<ClusterNode>;
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
    ...(options.hasWorkers && { nodes: watches.store(nodes) }),
    change: async (change, accepted) => watches.change(change, accepted),
  };
  const own = new Provisioner(api, options);
  reconcileOnChange(storesOf(api), async () => own.reconcile(), signal);
  return () => own.failure;
}

function storesOf({ classes, claims, volumes, nodes: known }: StorageApi) {
  return [classes, claims, volumes, ...(known === undefined ? [] : [known])];
}

/**
 * Binds claims to folders, and removes the folders of deleted claims: on this node itself, on a worker by asking it.
 * @internal exported for tests
 */
export class Provisioner {
  readonly #api: StorageApi;
  readonly #options: StorageOptions;
  /** What was said last of an object, by its UID or name. */
  readonly #said = new Map<string, string>();
  /** What workers are asked for, by their names. */
  #wanted = new Map<string, Record<string, number | null>>();

  constructor(api: StorageApi, options: StorageOptions) {
    this.#api = api;
    this.#options = options;
  }

  /** Does what is to do now. Failures go to the log; a later call tries again. */
  async reconcile(): Promise<void> {
    const { claims, volumes, change } = this.#api;
    if (!storesOf(this.#api).every(({ isSynced }) => isSynced)) return;
    this.#wanted = new Map();
    await this.#attempt(ownClass, async () => this.#publishClass());
    for (const claim of claims.values())
      await this.#attempt(`${claim.namespace}/${claim.name}`, async () => this.#provide(claim));
    for (const volume of volumes.values())
      await this.#attempt(volume.name, async () => this.#reclaim(volume));
    for (const worker of this.#workers()) {
      const request = askFor(worker, this.#wanted.get(worker.name) ?? {});
      if (request !== undefined)
        await this.#attempt(`node ${worker.name}`, async () => change(request, [200, 404]));
    }
  }

  #workers(): ClusterNode[] {
    return [...(this.#api.nodes?.values() ?? [])].filter(hasVolumes);
  }

  /** The worker of this name. @throws Error if there is none with volumes */
  #worker(name: string): ClusterNode {
    const worker = this.#workers().find((each) => each.name === name);
    if (worker !== undefined) return worker;
    throw new Error(`node ${name} has no volumes of ${provisioner}, or is no node of the cluster any more`);
  }

  /** What a worker has done of this; undefined until it has. The request goes out at the end. @throws Error with its reason */
  #ask(node: string, folder: string, bytes: number | null): { readonly path: string } | undefined {
    const worker = this.#worker(node);
    this.#wanted.set(node, { ...this.#wanted.get(node), [folder]: bytes });
    const answer = doneOn(worker, folder);
    if (typeof answer?.done === 'object') throw new Error(`node ${node}: ${answer.done.failure}`);
    return answer?.done === (bytes === null ? 'removed' : 'made') ? answer : undefined;
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
    const own = classes.get('', ownClass);
    // Those of other control planes were added by them.
    const others = this.#options.isShared ? (own?.hosts ?? []) : this.#workers().map(({ name }) => name);
    const hosts = [...new Set([this.#options.nodeName, ...others])].toSorted();
    const other = [...classes.values()].find(({ name, isDefault }) => isDefault && name !== ownClass);
    if (own === undefined && other === undefined)
      await change({ method: 'POST', path: classesPath, body: classObject(hosts) }, [201, 409]);
    // The scheduler places pods with claims of the class on the nodes that have volumes.
    if (own?.provisioner === provisioner && own.hosts.toSorted().join() !== hosts.join()) {
      const body = { allowedTopologies: onlyOn(hosts) };
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
    const node = claim.node === '' ? this.#immediateNode() : claim.node;
    // That of another control plane, which says why if it has no volumes.
    if (node !== nodeName && this.#options.isShared) return;
    if (node !== nodeName && !this.#workers().some(({ name }) => name === node)) {
      const others = this.#api.nodes === undefined ? '' : ' and its workers';
      await this.#refuse(
        claim,
        this.#api.nodes !== undefined && this.#api.nodes.get('', node) === undefined
          ? `node ${node} has left the cluster`
          : `${provisioner} has volumes on node ${nodeName}${others} only: give class ${ofClass.name} allowedTopologies as ${ownClass} has`,
      );
      return;
    }
    if (claim.volumeMode === 'Block') {
      await this.#report(claim, `${provisioner} has no block devices: set volumeMode to Filesystem`);
      return;
    }
    const name = folderName(claim);
    const bytes = bytesOf(claim.size);
    if (!Number.isFinite(bytes)) {
      await this.#report(claim, `the claim asks for ${claim.size}, which is not understood`);
      return;
    }
    let path: string | undefined;
    try {
      path = node === nodeName ? makeFolder(folder, name, bytes) : this.#ask(node, name, bytes)?.path;
    } catch (error) {
      await this.#refuse(claim, reasonOf(error));
      return;
    }
    if (path === undefined) return;
    const body = volumeObject({ claim, ofClass, path, nodeName: node });
    await change({ method: 'POST', path: volumesPath, body }, [201, 409]);
  }

  /** The node of volumes for which no pod is waited: of several control planes, one. */
  #immediateNode(): string {
    const { nodeName, isShared } = this.#options;
    const [first = nodeName] = this.#api.classes.get('', ownClass)?.hosts.toSorted() ?? [];
    return isShared ? first : nodeName;
  }

  /** Says why a claim gets no volume on the node of its first pod, and lets the scheduler choose another one. */
  async #refuse(claim: Claim, message: string): Promise<void> {
    await this.#report(claim, message);
    if (this.#api.nodes === undefined || claim.node === '') return;
    const path = `/api/v1/namespaces/${claim.namespace}/persistentvolumeclaims/${claim.name}`;
    const body = { metadata: { annotations: { [selectedNode]: null } } };
    await this.#api.change({ method: 'PATCH', path, body, type: 'application/merge-patch+json' }, [200, 404]);
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
    const { folder, nodeName } = this.#options;
    const name = folderName(volume.claim);
    const isOwn = volume.node === '' || volume.node === nodeName;
    // Its own control plane removes it.
    if (!isOwn && this.#options.isShared) return;
    const path = isOwn ? join(folder, name) : volume.path;
    if (path !== volume.path || basename(path) !== name)
      throw new Error(`${volume.path} is not the folder of its claim, ${path}: remove the volume yourself`);
    if (isOwn) await removeFolder(folder, name);
    else {
      const answer = this.#ask(volume.node, name, null);
      if (answer === undefined) return;
      if (answer.path !== path)
        throw new Error(`node ${volume.node} has its volumes elsewhere now: remove the volume yourself`);
    }
    await this.#api.change({ method: 'DELETE', path: `${volumesPath}/${volume.name}` }, [200, 202, 404]);
  }
}

function volumeName({ uid }: { readonly uid: string }): string {
  return `pvc-${uid}`;
}

/** The name of the folder of a claim, for any object of the API. At most 255 bytes. */
function folderName({ namespace, name, uid }: Volume['claim']): string {
  const parts = [`${name}_${namespace}`.slice(0, 200), uid];
  if (parts.some((part) => part === '' || part.includes('/'))) throw new Error('its claim has no valid name');
  return parts.join('_');
}

function classObject(hosts: readonly string[]): object {
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
    allowedTopologies: onlyOn(hosts),
  };
}

function onlyOn(hosts: readonly string[]): object[] {
  return [{ matchLabelExpressions: [{ key: hostLabel, values: hosts }] }];
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
