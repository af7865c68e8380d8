import { listAt, parseJson, textAt } from '../../../probes/transport/json.ts';
import { ownLabels } from '../../helper/cluster/objects.ts';
import { groupOf } from './kubeApi.ts';
import type { KubeApi, ObjectId } from './kubeApi.ts';

/** An object that an addon has made itself, and may remove. */
export interface Entry extends ObjectId {
  /** Undefined from before it is made until the API server has answered. */
  readonly uid?: string;
  /** Of the manifest that was applied last. */
  readonly hash: string;
}

/** Says of an object which addon has made it. Without it, or with another UID, the object is not the addon's any more. */
export const ownerLabel = 'k8s-single.local/addon';
/** Marks the ConfigMap with the entries of an addon. */
const inventoryLabel = 'k8s-single.local/addon-inventory';
const configMaps = '/api/v1/namespaces/kube-system/configmaps';

/** Identifies an object whatever version of its API is used. */
export function keyOf({ apiVersion, kind, namespace, name }: ObjectId): string {
  return [groupOf(apiVersion), kind, namespace, name].join('/');
}

/** What one addon has made, by {@link keyOf}. */
export class Inventory {
  readonly addon: string;
  origin: 'config' | 'folder';
  readonly entries = new Map<string, Entry>();
  /** The content of the ConfigMap; undefined without one. */
  #saved: string | undefined;

  constructor(addon: string, origin: 'config' | 'folder', saved?: readonly Entry[]) {
    this.addon = addon;
    this.origin = origin;
    for (const entry of saved ?? []) this.entries.set(keyOf(entry), entry);
    if (saved !== undefined) this.#saved = this.#content();
  }

  /** Writes it if it has changed: also before an object is made, so that a crash leaves none that is not known. */
  async save(api: KubeApi, signal: AbortSignal): Promise<void> {
    const content = this.#content();
    if (content === this.#saved || (this.#saved === undefined && this.entries.size === 0)) return;
    const name = `k8s-single-addon-${this.addon}`;
    const labels = { [inventoryLabel]: this.addon, ...ownLabels };
    const body = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, labels },
      data: { origin: this.origin, objects: content },
    };
    await api.apply(`${configMaps}/${name}`, body, { force: true }, signal);
    this.#saved = content;
  }

  /** Removes the ConfigMap of an addon that has nothing any more. */
  async forget(api: KubeApi, signal: AbortSignal): Promise<void> {
    if (this.#saved === undefined) return;
    const path = `${configMaps}/k8s-single-addon-${this.addon}`;
    const uid = textAt(await api.getMetadata(path, signal), 'metadata', 'uid');
    if (uid !== '') await api.remove(path, uid, signal);
    this.#saved = undefined;
  }

  #content(): string {
    return JSON.stringify([...this.entries.values()]);
  }
}

/** The inventories of all addons, those that are gone as well. This process alone changes them: they are read once. */
export class Inventories {
  readonly #api: KubeApi;
  readonly #byAddon = new Map<string, Inventory>();
  #isLoaded = false;

  constructor(api: KubeApi) {
    this.#api = api;
  }

  async load(signal: AbortSignal): Promise<void> {
    if (this.#isLoaded) return;
    const list = await this.#api.get(
      `${configMaps}?labelSelector=${encodeURIComponent(inventoryLabel)}`,
      signal,
    );
    // Meanwhile another addon may have loaded them.
    if (this.#isLoaded) return;
    for (const item of listAt(list, 'items')) {
      const addon = textAt(item, 'metadata', 'labels', inventoryLabel);
      const origin = textAt(item, 'data', 'origin') === 'config' ? 'config' : 'folder';
      const entries = listAt(parseJson(`{"entries":${textAt(item, 'data', 'objects')}}`), 'entries');
      this.#byAddon.set(addon, new Inventory(addon, origin, entries.map(readEntry)));
    }
    this.#isLoaded = true;
  }

  /** That of an addon; a new one if it has none. */
  of(addon: string, origin: 'config' | 'folder'): Inventory {
    const known = this.#byAddon.get(addon) ?? new Inventory(addon, origin);
    known.origin = origin;
    this.#byAddon.set(addon, known);
    return known;
  }

  all(): readonly Inventory[] {
    return [...this.#byAddon.values()];
  }

  drop(addon: string): void {
    this.#byAddon.delete(addon);
  }
}

function readEntry(value: unknown): Entry {
  const uid = textAt(value, 'uid');
  return {
    apiVersion: textAt(value, 'apiVersion'),
    kind: textAt(value, 'kind'),
    namespace: textAt(value, 'namespace'),
    name: textAt(value, 'name'),
    ...(uid !== '' && { uid }),
    hash: textAt(value, 'hash'),
  };
}
