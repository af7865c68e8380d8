import { statSync } from 'node:fs';
import { Unhealthy } from '../../../probes/probe.ts';
import { textAt } from '../../../probes/transport/json.ts';
import { reasonOf } from '../../lib/errors.ts';
import { hasErrorCode } from '../../lib/systemError.ts';
import { keyOf, ownerLabel } from './inventory.ts';
import type { Entry, Inventories, Inventory } from './inventory.ts';
import { ApiError, Unreachable, describeId, groupOf, kubectlFor } from './kubeApi.ts';
import type { KubeApi, ObjectId } from './kubeApi.ts';
import type { ManifestObject } from './manifest.ts';
import type { ManifestOrder, ManifestResult } from './readManifest.ts';
import { hasCondition, readinessOf } from './readiness.ts';
import type { AddonSource } from './source.ts';

/** What the addons of a node share. */
export interface AddonContext {
  readonly api: KubeApi;
  readonly inventories: Inventories;
  /** Those that are not gone. */
  readonly present: () => readonly Addon[];
  readonly read: (order: ManifestOrder, signal: AbortSignal) => Promise<ManifestResult>;
}

/** An object of a manifest, and where it is in the API. */
interface Target {
  readonly id: ObjectId;
  readonly key: string;
  readonly path: string;
  readonly object: ManifestObject;
}

/** How long a ready addon is believed to be so, in ms: then its objects are looked at again. */
const checkMs = 10_000;
/** The pause before another download, in ms. */
const downloadAgainMs = 30_000;

/** One addon: its manifest as it was read last, and what of it was applied. Everything else is in the API. */
export class Addon {
  readonly source: AddonSource;
  /** Its file has been removed: its objects are to be, too. */
  isGone = false;
  /** Undefined until the manifest could be read. */
  #objects: readonly ManifestObject[] | undefined;
  /** Why the manifest cannot be used as it is now. */
  #problem: string | undefined;
  /** Size and time of the file that was read, and of one that may still be being written. */
  #used: string | undefined;
  #seen: string | undefined;
  #downloadAt = 0;
  /** The hashes of what was applied since this process started, by key. */
  readonly #applied = new Map<string, string>();
  #checkedAt = Number.NEGATIVE_INFINITY;
  #isReady = false;
  readonly #context: AddonContext;

  constructor(source: AddonSource, context: AddonContext) {
    this.source = source;
    this.#problem = source.problem;
    this.#context = context;
  }

  get name(): string {
    return this.source.name;
  }

  /** Why it is not known what is in the manifest; undefined if it is. Until then nothing may be removed. */
  get unreadable(): string | undefined {
    return (
      this.#problem ?? (this.#objects === undefined ? `${this.source.place} is not read yet` : undefined)
    );
  }

  /** Whether the object is in the manifest. */
  claims(id: ObjectId): boolean {
    const inNamespace = ({ namespace }: ManifestObject): boolean =>
      id.namespace === '' || (namespace || this.#defaultNamespace()) === id.namespace;
    return (this.#objects ?? []).some(
      (object) =>
        object.kind === id.kind &&
        object.name === id.name &&
        groupOf(object.apiVersion) === groupOf(id.apiVersion) &&
        inNamespace(object),
    );
  }

  /**
   * One attempt: reads the manifest if it has changed, applies what is new, has changed or was removed by somebody, and checks
   * that all is ready. What was applied and is there is left alone, whatever others have changed in it.
   * @throws Unhealthy with the first reason why the addon is not ready
   */
  async reconcile(signal: AbortSignal): Promise<void> {
    if (this.isGone) return;
    const isSame = !(await this.#read(signal));
    if (this.isGone) return;
    if (this.#problem !== undefined) throw new Unhealthy(this.#problem);
    const isDue = performance.now() - this.#checkedAt >= checkMs;
    if (this.#isReady && isSame && !isDue) return;
    this.#isReady = false;
    if (isDue) this.#checkedAt = performance.now();
    const { api, inventories } = this.#context;
    await inventories.load(signal);
    const inventory = inventories.of(this.name, this.source.origin);
    const [first, others] = split(this.#objects ?? [], comesFirst);
    const targets = await this.#applyAll(first, inventory, isDue, signal);
    // Their objects can only be made then.
    await this.#assertReady(targets, inventory, signal);
    const more = await this.#applyAll(others, inventory, isDue, signal);
    await this.#assertReady(more, inventory, signal);
    for (const wait of this.source.wait) await this.#assertCondition(wait, api, signal);
    this.#isReady = true;
  }

  /** Reads the manifest if that is necessary. Resolves with whether it may be another one than before. */
  async #read(signal: AbortSignal): Promise<boolean> {
    const { from, place, problem } = this.source;
    if (problem !== undefined) return false;
    if ('file' in from) {
      const found = signatureOf(from.file);
      // Whoever lists the folder decides whether it is gone.
      if (found === missing && this.source.origin === 'folder' && this.#objects !== undefined) return false;
      const isFirst = this.#used === undefined;
      const isStable = found === this.#seen;
      this.#seen = found;
      if (found === this.#used && !isFirst) return false;
      // It may still be being written: wait until it is the same twice.
      if (!isFirst && !isStable) return false;
      this.#used = found;
    } else if (this.#objects !== undefined || performance.now() < this.#downloadAt) return false;
    this.#downloadAt = performance.now() + ('url' in from ? downloadAgainMs : Number.POSITIVE_INFINITY);
    const result = await this.#context.read({ from, place }, signal);
    this.#problem = 'problem' in result ? result.problem : undefined;
    if ('objects' in result) {
      this.#objects = [...this.#ownNamespace(result.objects), ...result.objects];
      if (result.note !== undefined) console.error(`addon ${this.name}: ${result.note}`);
    }
    return true;
  }

  #defaultNamespace(): string {
    return this.source.namespace ?? 'default';
  }

  /** The namespace of the config, unless the manifest has it. */
  #ownNamespace(objects: readonly ManifestObject[]): ManifestObject[] {
    const { namespace: name } = this.source;
    if (
      name === undefined ||
      name === 'default' ||
      objects.some((each) => each.kind === 'Namespace' && each.name === name)
    )
      return [];
    const id = { apiVersion: 'v1', kind: 'Namespace' };
    return [
      {
        ...id,
        line: 0,
        namespace: '',
        name,
        hash: name,
        json: JSON.stringify({ ...id, metadata: { name } }),
      },
    ];
  }

  /** Applies what is to be applied; all of it, even if some of it fails. */
  async #applyAll(
    objects: readonly ManifestObject[],
    inventory: Inventory,
    isDue: boolean,
    signal: AbortSignal,
  ): Promise<Target[]> {
    const { api } = this.#context;
    const problems: string[] = [];
    const targets: Target[] = [];
    const absent = new Set<string>();
    const live = new Map<string, unknown>();
    for (const object of objects) {
      const target = await this.#targetOf(object, signal).catch((error: unknown) =>
        collect(error, object, problems, signal),
      );
      if (target === undefined) continue;
      targets.push(target);
      const isApplied = this.#applied.get(target.key) === object.hash;
      if (isApplied && !isDue) continue;
      const found = await api.getMetadata(target.path, signal);
      live.set(target.key, found);
      if (found === undefined) absent.add(target.key);
    }
    const due = targets.filter(({ key, object }) => {
      if (absent.has(key)) return !isDoneJob(object, inventory.entries.get(key));
      return live.has(key) && this.#applied.get(key) !== object.hash;
    });
    for (const { id, key, object } of due)
      if (absent.has(key)) inventory.entries.set(key, { ...id, hash: object.hash });
    await inventory.save(api, signal);
    for (const target of due)
      await this.#apply(target, live.get(target.key), inventory, signal).catch((error: unknown) =>
        collect(error, target.object, problems, signal),
      );
    await inventory.save(api, signal);
    const [problem, ...others] = problems;
    if (problem !== undefined)
      throw new Unhealthy(others.length === 0 ? problem : `${problem} (and ${others.length} more)`);
    return targets;
  }

  /** @throws Unhealthy if the API has no such kind, or another addon has the object */
  async #targetOf(object: ManifestObject, signal: AbortSignal): Promise<Target> {
    const { apiVersion, kind, name } = object;
    const resource = await this.#context.api.resource(object, signal);
    if (resource === undefined) throw new Unhealthy(`the API has no kind ${kind} in ${apiVersion}`);
    const namespace = resource.isNamespaced ? object.namespace || this.#defaultNamespace() : '';
    const id = { apiVersion, kind, namespace, name };
    const owner = this.#ownerOf(id);
    if (owner !== this)
      throw new Unhealthy(`${describeId(id)} belongs to the addon ${owner.name}: remove it from one of them`);
    return { id, key: keyOf(id), path: resource.path(namespace, name), object };
  }

  /** Which of the addons with the object in their manifests it belongs to: the one that has made it, else the first by name. */
  #ownerOf(id: ObjectId): Addon {
    const key = keyOf(id);
    const { inventories, present } = this.#context;
    const hasMade = (addon: Addon): boolean =>
      inventories.of(addon.name, addon.source.origin).entries.get(key)?.uid !== undefined;
    const claimants = present().filter(
      (addon) => addon === this || addon.claims(id) || (addon.unreadable !== undefined && hasMade(addon)),
    );
    return (
      claimants.find(hasMade) ??
      claimants.toSorted((one, other) => (one.name < other.name ? -1 : 1))[0] ??
      this
    );
  }

  async #apply(
    { id, key, path, object }: Target,
    live: unknown,
    inventory: Inventory,
    signal: AbortSignal,
  ): Promise<void> {
    const { api } = this.#context;
    if (textAt(live, 'metadata', 'deletionTimestamp') !== '')
      throw new Unhealthy(`${describeId(id)} is being removed`);
    const mine = live === undefined || this.#isOwn(key, live, inventory);
    const send = async (isOwn: boolean) =>
      api.apply(path, this.#bodyOf(object, id, isOwn), { force: isOwn }, signal).catch((error: unknown) => {
        throw explained(error, id, isOwn);
      });
    let result = await send(mine);
    // Somebody else has made it just now.
    const isOwn = mine && (live !== undefined || result.isNew);
    if (isOwn !== mine) result = await send(false);
    // It may have passed from another addon to this one. That inventory is saved with its next change.
    for (const other of this.#context.inventories.all()) if (other !== inventory) other.entries.delete(key);
    if (isOwn)
      inventory.entries.set(key, { ...id, uid: textAt(result.object, 'metadata', 'uid'), hash: object.hash });
    else inventory.entries.delete(key);
    this.#applied.set(key, object.hash);
  }

  /** Whether the live object was made by this addon, or by one that has it no longer in its manifest. */
  #isOwn(key: string, live: unknown, inventory: Inventory): boolean {
    const uid = textAt(live, 'metadata', 'uid');
    const label = textAt(live, 'metadata', 'labels', ownerLabel);
    // Whoever removes the label takes the object over.
    if (label === '') return false;
    const entry = inventory.entries.get(key);
    // Made just before a crash: the UID could not be recorded.
    if (entry !== undefined && entry.uid === undefined) return label === this.name;
    if (entry !== undefined) return entry.uid === uid;
    return this.#context.inventories.all().some((other) => other.entries.get(key)?.uid === uid);
  }

  #bodyOf(object: ManifestObject, { namespace }: ObjectId, isOwn: boolean): object {
    const body: { readonly metadata: { readonly labels?: object } } = JSON.parse(object.json);
    return {
      ...body,
      metadata: {
        ...body.metadata,
        ...(namespace !== '' && { namespace }),
        ...(isOwn && { labels: { ...body.metadata.labels, [ownerLabel]: this.name } }),
      },
    };
  }

  async #assertReady(targets: readonly Target[], inventory: Inventory, signal: AbortSignal): Promise<void> {
    const { api } = this.#context;
    for (const { id, key, path, object } of targets) {
      const whyNot = readinessOf(id);
      if (whyNot === undefined) continue;
      const live = await api.get(path, signal);
      if (live === undefined) {
        if (isDoneJob(object, inventory.entries.get(key))) continue;
        this.#applied.delete(key);
        throw new Unhealthy(`${describeId(id)} is gone`);
      }
      const reason = await whyNot(live, api, signal);
      if (reason !== undefined) throw new Unhealthy(`waiting for ${describeId(id)}: ${reason}`);
    }
  }

  async #assertCondition(
    wait: AddonSource['wait'][number],
    api: KubeApi,
    signal: AbortSignal,
  ): Promise<void> {
    const resource = await api.resource(wait, signal);
    if (resource === undefined) throw new Unhealthy(`the API has no kind ${wait.kind} in ${wait.apiVersion}`);
    const namespace = resource.isNamespaced ? (wait.namespace ?? this.#defaultNamespace()) : '';
    const what = `waiting for ${describeId({ ...wait, namespace })}`;
    const live = await api.get(resource.path(namespace, wait.name), signal);
    if (live === undefined) throw new Unhealthy(`${what}: it does not exist yet`);
    const reason = await hasCondition(wait.condition)(live, api, signal);
    if (reason !== undefined) throw new Unhealthy(`${what}: ${reason}`);
  }
}

/** A Job that was made and is gone: it was complete (ttlSecondsAfterFinished), and is not run twice. */
function isDoneJob({ apiVersion, kind, hash }: ManifestObject, entry: Entry | undefined): boolean {
  return kind === 'Job' && groupOf(apiVersion) === 'batch' && entry?.uid !== undefined && entry.hash === hash;
}

/** Namespaces, and the kinds of custom resources. */
function comesFirst({ apiVersion, kind }: ManifestObject): boolean {
  return (kind === 'Namespace' && apiVersion === 'v1') || kind === 'CustomResourceDefinition';
}

function split<Item>(items: readonly Item[], isFirst: (item: Item) => boolean): [Item[], Item[]] {
  return [items.filter(isFirst), items.filter((item) => !isFirst(item))];
}

const missing = 'missing';

/** Size and time of a file, or why there are none. */
function signatureOf(file: string): string {
  try {
    const { size, mtimeMs, ino } = statSync(file);
    return `${ino} ${size} ${mtimeMs}`;
  } catch (error) {
    return hasErrorCode(error, 'ENOENT') ? missing : reasonOf(error);
  }
}

/** Keeps the problem of one object, so that the others are applied. Throws what concerns all of them. */
function collect(
  error: unknown,
  { line }: ManifestObject,
  problems: string[],
  signal: AbortSignal,
): undefined {
  signal.throwIfAborted();
  if (!(error instanceof Unhealthy) || error instanceof Unreachable) throw error;
  problems.push(`${error.message}${line === 0 ? '' : ` (line ${line})`}`);
}

/** The API server's reason, with the object and a remedy. */
function explained(error: unknown, id: ObjectId, isOwn: boolean): unknown {
  if (!(error instanceof ApiError)) return error;
  const isKnown = error.message.includes(id.name);
  const message = isKnown ? error.message : `${describeId(id)}: ${error.message}`;
  if (isOwn && error.status === 422 && /immutable/.test(error.message))
    return new ApiError(error.status, `${message}; after "${kubectlFor('delete', id)}" it is made again`);
  if (!isOwn && error.status === 409)
    return new ApiError(
      error.status,
      `${message}; this addon has not made it: leave it out of the manifest, or "${kubectlFor('delete', id)}"`,
    );
  return new ApiError(error.status, message);
}
