import { at, listAt, textAt } from '../../../probes/transport/json.ts';
import { eventOn } from '../../helper/cluster/events.ts';
import type { AddonContext } from './addon.ts';
import { keyOf, ownerLabel } from './inventory.ts';
import type { Entry, Inventory } from './inventory.ts';
import { ApiError, describeId, groupOf, kubectlFor } from './kubeApi.ts';
import type { KubeApi, ObjectId } from './kubeApi.ts';

/** What happened to an object that no manifest has any more: it is gone, being removed, or kept for a reason. */
type Outcome = 'gone' | { readonly waiting: string } | { readonly kept: string };

/** What is to be removed of one addon. */
export interface Due {
  readonly inventory: Inventory;
  /** Whether the addon itself is still there. */
  readonly isPresent: boolean;
  readonly entries: readonly Entry[];
  /** Why nothing may be removed yet. */
  readonly blocked: string | undefined;
}

/**
 * The objects that addons have made and that no manifest has any more. As long as a manifest cannot be read nothing is removed:
 * the object may be in there, as after a change of the addon's name. Without a config file, a node does not know whether the
 * addons of its config are gone.
 */
export function dueEntries(
  { inventories, present }: AddonContext,
  { hasConfigFile }: { readonly hasConfigFile: boolean },
): Due[] {
  const addons = present();
  const blocked = addons.find(({ unreadable }) => unreadable !== undefined)?.unreadable;
  return inventories.all().flatMap((inventory) => {
    const isPresent = addons.some(({ name }) => name === inventory.addon);
    if (!isPresent && !hasConfigFile && inventory.origin === 'config') return [];
    const entries = [...inventory.entries.values()].filter(
      (entry) => !addons.some((addon) => addon.claims(entry)),
    );
    return [{ inventory, isPresent, entries, blocked: entries.length > 0 ? blocked : undefined }];
  });
}

/**
 * Removes what is due, with a reason for each object that is still there. Nothing else is ever removed: an object that was
 * there before, that was made anew by somebody else, or whose label was taken away belongs to others. Claims, and what holds
 * objects of others, are kept.
 */
export async function prune(
  { api, inventories, present }: AddonContext,
  due: readonly Due[],
  said: Set<string>,
  signal: AbortSignal,
): Promise<{ readonly reasons: string[]; readonly isWaiting: boolean }> {
  const reasons: string[] = [];
  let isWaiting = false;
  const isClaimed = (entry: Entry): boolean => present().some((addon) => addon.claims(entry));
  for (const { inventory, isPresent, entries, blocked } of due) {
    if (blocked !== undefined) {
      const what = entries.length === 1 ? 'one object' : `${entries.length} objects`;
      reasons.push(`${what} of ${inventory.addon} not removed before this is repaired: ${blocked}`);
      isWaiting = true;
      continue;
    }
    const left = await removeEntries(entries, inventory, { api, isClaimed, signal, said });
    reasons.push(...left.reasons);
    isWaiting ||= left.isWaiting;
    if (isPresent || inventory.entries.size > 0) {
      await inventory.save(api, signal);
    } else {
      await inventory.forget(api, signal);
      inventories.drop(inventory.addon);
    }
  }
  return { reasons, isWaiting };
}

interface Removal {
  readonly api: KubeApi;
  readonly isClaimed: (entry: Entry) => boolean;
  readonly signal: AbortSignal;
  /** What was said in an event already. */
  readonly said: Set<string>;
}

/**
 * In this order: custom resources, as long as what clears up after them runs; then all but what holds other objects; then
 * kinds and namespaces.
 */
const phases: readonly ((id: ObjectId) => boolean)[] = [
  (id) => isCustom(id),
  (id) => !isCustom(id) && !isContainer(id),
  (id) => isContainer(id),
];

async function removeEntries(
  due: readonly Entry[],
  inventory: Inventory,
  removal: Removal,
): Promise<{ readonly reasons: string[]; readonly isWaiting: boolean }> {
  const reasons: string[] = [];
  let isWaiting = false;
  for (const isInPhase of phases) {
    // What was made last is removed first.
    for (const entry of due.filter(isInPhase).toReversed()) {
      const outcome = await removeEntry(entry, inventory.addon, removal);
      if (outcome === 'gone') {
        inventory.entries.delete(keyOf(entry));
      } else if ('waiting' in outcome) {
        isWaiting = true;
        reasons.push(outcome.waiting);
      } else {
        const remove = kubectlFor('delete', entry);
        const release = `${kubectlFor('label', entry)} ${ownerLabel}-`;
        const reason = `kept ${describeId(entry)}: ${outcome.kept}; "${remove}" removes it, "${release}" leaves it to you`;
        reasons.push(reason);
        await warn(entry, `the addon ${inventory.addon} is gone or has it no longer: ${reason}`, removal);
      }
    }
    if (isWaiting) break;
  }
  return { reasons, isWaiting };
}

async function removeEntry(
  entry: Entry,
  addon: string,
  { api, isClaimed, signal }: Removal,
): Promise<Outcome> {
  const resource = await api.resource(entry, signal);
  // With its kind, all its objects are gone.
  if (resource === undefined) return 'gone';
  const path = resource.path(entry.namespace, entry.name);
  const live = await api.getMetadata(path, signal);
  const uid = textAt(live, 'metadata', 'uid');
  if (live === undefined || textAt(live, 'metadata', 'labels', ownerLabel) !== addon) return 'gone';
  if (entry.uid !== undefined && entry.uid !== uid) return 'gone';
  const waiting = { waiting: `waiting until ${describeId(entry)} is gone` };
  if (textAt(live, 'metadata', 'deletionTimestamp') !== '') return waiting;
  const kept = await whyKept(entry, api, signal);
  if (kept !== undefined) return { kept };
  // The manifest may have changed meanwhile.
  if (isClaimed(entry)) return waiting;
  await api.remove(path, uid, signal);
  return (await api.getMetadata(path, signal)) === undefined ? 'gone' : waiting;
}

/** An event on a kept object, once. Without the right to make one, the reason in the status is enough. */
async function warn(entry: Entry, message: string, { api, said, signal }: Removal): Promise<void> {
  if (said.has(message)) return;
  said.add(message);
  const what = { type: 'Warning', reason: 'AddonObjectKept', message, source: 'k8s-single' } as const;
  const { path, body } = eventOn(entry, what);
  await api.create(path, body, signal).catch((error: unknown) => {
    if (!(error instanceof ApiError)) throw error;
  });
}

/** Why an object is not removed although its addon has made it. */
async function whyKept(entry: Entry, api: KubeApi, signal: AbortSignal): Promise<string | undefined> {
  const { apiVersion, kind, name } = entry;
  const group = groupOf(apiVersion);
  if (group === '' && (kind === 'PersistentVolumeClaim' || kind === 'PersistentVolume')) return 'it has data';
  if (group === '' && kind === 'Namespace') return foreignIn(name, api, signal);
  if (kind === 'CustomResourceDefinition') return instanceOf(name, entry, api, signal);
  return undefined;
}

function isContainer({ apiVersion, kind }: ObjectId): boolean {
  return (apiVersion === 'v1' && kind === 'Namespace') || kind === 'CustomResourceDefinition';
}

/** Groups of Kubernetes itself have no dot, or end in k8s.io. */
function isCustom({ apiVersion }: ObjectId): boolean {
  const group = groupOf(apiVersion);
  return group.includes('.') && !group.endsWith('.k8s.io');
}

/** What every namespace has, or what goes with something else: by `group/resource`. */
const incidental: ReadonlySet<string> = new Set([
  '/endpoints',
  '/events',
  'events.k8s.io/events',
  'coordination.k8s.io/leases',
]);
const inEveryNamespace: ReadonlySet<string> = new Set([
  '/serviceaccounts/default',
  '/configmaps/kube-root-ca.crt',
]);

/** The first object in a namespace that somebody else has made; undefined if there is none. Not being able to look is a reason, too. */
async function foreignIn(namespace: string, api: KubeApi, signal: AbortSignal): Promise<string | undefined> {
  for (const { name, group, resource } of await api.namespacedResources(signal)) {
    // Metrics are no objects.
    if (incidental.has(`${group}/${name}`) || group.endsWith('metrics.k8s.io')) continue;
    const foreign = (await api.listMetadata(resource.path(namespace), signal)).find(
      (object) => !isDependent(object) && !inEveryNamespace.has(`${group}/${name}/${nameOf(object)}`),
    );
    if (foreign !== undefined)
      return `there is something in it that this addon has not made, ${name}/${nameOf(foreign)}`;
  }
  return undefined;
}

/** Whether it goes by itself: it has an owner, or is being removed, or is the token of an account. */
function isDependent(object: unknown): boolean {
  return (
    listAt(object, 'metadata', 'ownerReferences').length > 0 ||
    textAt(object, 'metadata', 'deletionTimestamp') !== '' ||
    at(object, 'metadata', 'annotations', 'kubernetes.io/service-account.name') !== undefined
  );
}

/** The first custom resource of a kind. With the kind, all would be removed, those of others as well. */
async function instanceOf(
  name: string,
  entry: Entry,
  api: KubeApi,
  signal: AbortSignal,
): Promise<string | undefined> {
  const resource = await api.resource(entry, signal);
  const definition = resource && (await api.get(resource.path('', name), signal));
  const [group, plural] = [
    textAt(definition, 'spec', 'group'),
    textAt(definition, 'spec', 'names', 'plural'),
  ];
  const served = listAt(definition, 'spec', 'versions').find((version) => at(version, 'served') === true);
  const version = textAt(served, 'name') || textAt(definition, 'spec', 'version');
  const [first] = await api.listMetadata(`/apis/${group}/${version}/${plural}`, signal);
  return first === undefined ? undefined : `there are objects of this kind, such as ${nameOf(first)}`;
}

function nameOf(object: unknown): string {
  return textAt(object, 'metadata', 'name');
}
