import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Unhealthy } from '../../../probes/probe.ts';
import type { Probe } from '../../../probes/probe.ts';
import { probeOnce } from '../../../probes/probeOnce.ts';
import { at, listAt, parseJson, textAt } from '../../../probes/transport/json.ts';
import type { Dependency, Task } from '../../engine/component.ts';
import { reasonOf } from '../../lib/errors.ts';
import { minorOf } from '../../install/release/pairings.ts';
import { etcdGateway, toBase64 } from '../etcdGateway.ts';
import type { EtcdAccess } from '../etcdGateway.ts';
import type { NodeFacts } from '../facts.ts';
import { etcdAccess } from '../kubeconfig/clients.ts';
import { ownLabel } from '../../helper/cluster/objects.ts';

/**
 * What the API server of every new cluster makes, by the resource under which etcd has it: kk pkg/registry/rbac/rest/storage_rbac.go,
 * pkg/registry/scheduling/rest/storage_scheduling.go, pkg/registry/flowcontrol/rest/storage_flowcontrol.go. Not the namespaces,
 * whose UIDs are identities.
 */
const resources: Readonly<Record<string, string>> = {
  ClusterRole: 'clusterroles',
  ClusterRoleBinding: 'clusterrolebindings',
  FlowSchema: 'flowschemas',
  PriorityClass: 'priorityclasses',
  PriorityLevelConfiguration: 'prioritylevelconfigurations',
  Role: 'roles',
  RoleBinding: 'rolebindings',
};

/** The arguments with which kubectl of this version prints them all. Since 1.21 it hides who manages a field. */
export function listInitialObjects(kubernetes: string): string[] {
  const managed = minorOf(kubernetes) >= 21 ? ['--show-managed-fields'] : [];
  return ['get', Object.values(resources).join(), '--all-namespaces', '--output=json', ...managed];
}

/** The file in the cache with the initial objects of this version of Kubernetes, which may not exist. */
export function initialObjectsFile(cacheDir: string, kubernetes: string): string {
  return join(cacheDir, 'initial-objects', `v${kubernetes}.json`);
}

/**
 * Puts into an empty etcd what the API server would make there one by one before it is ready. The API server starts meanwhile: it
 * makes what it does not find. Undefined without the objects of this version, which `install` has made.
 */
export function initialObjects(facts: NodeFacts, needs: readonly Dependency[]): Task | undefined {
  const file = facts.initialObjects;
  if (!existsSync(file)) return undefined;
  const read = async (): Promise<Put[]> => {
    const puts = putsOf(await readFile(file, 'utf8'), new Date());
    if (puts !== undefined) return puts;
    throw new Unhealthy(`${file} is damaged: "k8s-single install" makes it again`);
  };
  const put: Probe = async (signal) => putIfEmpty(etcdAccess(facts), read, signal);
  return {
    kind: 'task',
    name: 'initial-objects',
    needs,
    // Whatever fails, the API server makes them, as without the file.
    run: async (signal, report) =>
      probeOnce(put, attemptMs, signal).catch((error: unknown) => {
        signal.throwIfAborted();
        report(reasonOf(error));
      }),
  };
}

/** In ms. It takes 30 ms. */
const attemptMs = 5000;

interface Put {
  readonly key: string;
  readonly value: string;
}

/** An object as kubectl prints it. */
interface ListedObject {
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly [field: string]: unknown;
}

/**
 * A list of objects, as kubectl prints it, without what is of one cluster: revisions, the objects of this program, and what a
 * controller has aggregated.
 * @throws Error if it is none
 */
export function withoutIdentity(list: string): string {
  const { items }: { readonly items: readonly ListedObject[] } = JSON.parse(list);
  const initial = items
    .filter(({ metadata }) => textAt(metadata, 'labels', ownLabel.name) !== ownLabel.value)
    .map((object) => (object['aggregationRule'] === undefined ? object : withoutAggregated(object)));
  return JSON.stringify({ items: initial }, (key, value: unknown) =>
    // API servers before 1.24 print the latter.
    key === 'resourceVersion' || key === 'selfLink' ? undefined : value,
  );
}

/** As the API server makes it: the controller manager adds the rules of other roles, which may take until after the boot. */
function withoutAggregated(role: ListedObject): ListedObject {
  const managedFields = listAt(role.metadata, 'managedFields').filter(
    (fields) => at(fields, 'fieldsV1', 'f:aggregationRule') !== undefined,
  );
  return { ...role, rules: null, metadata: { ...role.metadata, managedFields } };
}

/**
 * What to put into etcd: each object as JSON, which an API server reads as it does its own format, with a UID and times of its own.
 * Undefined if the text is no list of initial objects.
 */
export function putsOf(text: string, now: Date): Put[] | undefined {
  // As the API server writes it, in seconds.
  const time = `${now.toISOString().slice(0, 19)}Z`;
  const items = listAt(parseJson(text), 'items');
  const puts = items.map((item): Put | undefined => {
    const resource = resources[textAt(item, 'kind')];
    const [namespace, name] = [textAt(item, 'metadata', 'namespace'), textAt(item, 'metadata', 'name')];
    if (resource === undefined || name === '') return undefined;
    const uid = randomUUID();
    const value = JSON.stringify(item, (key, part: unknown) => {
      if (key === 'uid') return uid;
      return typeof part === 'string' && isTime.test(part) ? time : part;
    });
    return { key: ['/registry', resource, namespace, name].filter(Boolean).join('/'), value };
  });
  const all = puts.filter((put) => put !== undefined);
  return all.length === 0 || all.length < puts.length ? undefined : all;
}

const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

/**
 * In one transaction, if etcd has no object of Kubernetes. Only then they are read.
 * @internal exported for tests
 */
export async function putIfEmpty(
  access: EtcdAccess,
  read: () => Promise<readonly Put[]>,
  signal: AbortSignal,
): Promise<void> {
  const post = etcdGateway(access);
  const all = { key: toBase64('/registry/'), range_end: toBase64('/registry0') };
  // To compare, etcd reads all there is.
  const first = await post('kv/range', { ...all, limit: '1', keys_only: true }, signal);
  if (listAt(first, 'kvs').length > 0) return;
  const puts = await read();
  const transaction = {
    compare: [{ ...all, target: 'CREATE', result: 'EQUAL', create_revision: '0' }],
    success: puts.map(({ key, value }) => ({ request_put: { key: toBase64(key), value: toBase64(value) } })),
  };
  await post('kv/txn', transaction, signal);
}
