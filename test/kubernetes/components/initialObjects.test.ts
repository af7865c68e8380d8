import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, onTestFinished, test } from 'vitest';
import { httpClient } from '../../../probes/transport/httpClient.ts';
import { at, listAt, parseJson, textAt } from '../../../probes/transport/json.ts';
import {
  listInitialObjects,
  putIfEmpty,
  putsOf,
  withoutIdentity,
} from '../../../src/kubernetes/components/initialObjects.ts';
import { etcdAccess } from '../../../src/kubernetes/kubeconfig/clients.ts';
import { startControlPlane } from '../../support/controlPlane.ts';
import { testBinaries } from '../../support/installBinaries.ts';
import { tempDir } from '../../support/cli.ts';

const never = new AbortController().signal;

const listed = {
  apiVersion: 'v1',
  kind: 'List',
  items: [
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      aggregationRule: { clusterRoleSelectors: [{ matchLabels: { a: 'true' } }] },
      metadata: {
        name: 'admin',
        uid: 'f6e7b2ae-e98a-4be1-91c3-4a73fd599bb5',
        resourceVersion: '92',
        creationTimestamp: '2020-01-31T00:00:00Z',
        managedFields: [
          { manager: 'kube-apiserver', fieldsV1: { 'f:aggregationRule': {} }, time: '2020-01-31T00:00:00Z' },
          { manager: 'clusterrole-aggregation-controller', fieldsV1: { 'f:rules': {} } },
        ],
      },
      rules: [{ verbs: ['get'], resources: ['pods'], apiGroups: [''] }],
    },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'Role',
      metadata: { name: 'reader', namespace: 'kube-system', uid: 'old', resourceVersion: '93' },
    },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: 'ours', labels: { 'app.kubernetes.io/managed-by': 'k8s-single' } },
    },
  ],
};

test('an object has a UID and times of its own in each cluster, and nothing that a controller has added', () => {
  const text = withoutIdentity(JSON.stringify(listed));
  const [first = [], second = []] = [1, 2].map(() => putsOf(text, new Date('2026-11-28T18:00:00.123Z')));
  expect(first.map(({ key }) => key)).toEqual([
    '/registry/clusterroles/admin',
    '/registry/roles/kube-system/reader',
  ]);
  const [admin] = first.map(({ value }) => JSON.parse(value));
  expect(admin).toMatchObject({ rules: null, metadata: { creationTimestamp: '2026-11-28T18:00:00Z' } });
  expect(admin.metadata.managedFields).toEqual([
    { manager: 'kube-apiserver', fieldsV1: { 'f:aggregationRule': {} }, time: '2026-11-28T18:00:00Z' },
  ]);
  const uids = [...first, ...second].map(({ value }) => textAt(parseJson(value), 'metadata', 'uid'));
  expect(new Set([...uids, 'old', 'f6e7b2ae-e98a-4be1-91c3-4a73fd599bb5']).size).toBe(6);
  expect(text).not.toContain('resourceVersion');
});

test.each([
  ['empty', ''],
  ['cut off', withoutIdentity(JSON.stringify(listed)).slice(0, -20)],
  ['a list of nothing', '{"items":[]}'],
  ['of something else', '{"items":[{"kind":"Secret","metadata":{"name":"x"}}]}'],
])('a file that is %s is not used', (_, text) => {
  expect(putsOf(text, new Date())).toBeUndefined();
});

test('what kubectl asks for has no identity: no namespaces, Secrets, accounts or leases', () => {
  expect(listInitialObjects('1.20.2')[1]).toBe(
    'clusterroles,clusterrolebindings,flowschemas,priorityclasses,prioritylevelconfigurations,roles,rolebindings',
  );
});

test('only an etcd without objects of Kubernetes gets them, all at once', async () => {
  const plane = await startControlPlane({ onlyEtcd: true });
  onTestFinished(async () => plane.stop());
  const { url, ...tls } = etcdAccess(plane.facts);
  const post = async (path: string, body: object) =>
    parseJson(
      (
        await httpClient(`${url}/v3/kv/${path}`, { ...tls, method: 'POST', body: JSON.stringify(body) })(
          never,
        )
      ).body,
    );
  const count = async (): Promise<string> => {
    const [key, range_end] = ['/registry/', '/registry0'].map((each) => Buffer.from(each).toString('base64'));
    return textAt(await post('range', { key, range_end, count_only: true }), 'count');
  };
  // More than etcd takes in one transaction by default.
  const puts = Array.from({ length: 200 }, (_, index) => ({
    key: `/registry/roles/x/${index}`,
    value: 'first',
  }));
  await putIfEmpty({ url, ...tls }, async () => puts, never);
  expect(await count()).toBe('200');
  await putIfEmpty({ url, ...tls }, async () => [{ key: '/registry/roles/x/new', value: 'second' }], never);
  expect(await count()).toBe('200');
  const found = await post('range', { key: Buffer.from('/registry/roles/x/7').toString('base64') });
  expect(Buffer.from(textAt(at(listAt(found, 'kvs'), '0'), 'value'), 'base64').toString()).toBe('first');
});

/** The objects of every kind of a new cluster, by kind and name. */
async function objectsOf(initialObjects?: string): Promise<ReadonlyMap<string, unknown>> {
  const plane = await startControlPlane(initialObjects === undefined ? {} : { initialObjects });
  try {
    const { kubectl } = await testBinaries('kubectl');
    const ask = async (...args: string[]): Promise<string> =>
      (await execa(kubectl, ['--kubeconfig', join(plane.facts.paths.kubeconfigs, 'admin.conf'), ...args]))
        .stdout;
    const kinds = (await ask('api-resources', '--verbs=list', '--output=name')).split('\n').join();
    const items = listAt(parseJson(await ask('get', kinds, '--all-namespaces', '--output=json')), 'items');
    const nameOf = (item: unknown): string =>
      [textAt(item, 'kind'), textAt(item, 'metadata', 'namespace'), textAt(item, 'metadata', 'name')].join(
        '/',
      );
    return new Map(items.map((item) => [nameOf(item), item]));
  } finally {
    await plane.stop();
  }
}

// Three boots of an API server, on a machine that may be busy.
test(
  'a cluster made from them has the same objects, and shares no UID with another one',
  { timeout: 180_000 },
  async () => {
    const plain = await objectsOf();
    const file = join(await tempDir('initial-objects'), 'list.json');
    await writeFile(file, withoutIdentity(JSON.stringify({ items: [...plain.values()].filter(isInitial) })));
    const [first, second] = [await objectsOf(file), await objectsOf(file)];
    // A ComponentStatus has none: it is not stored.
    const uids = [plain, first, second].flatMap((objects) =>
      [...objects.values()].map((object) => textAt(object, 'metadata', 'uid')).filter(Boolean),
    );
    expect(new Set(uids).size).toBe(uids.length);
    const comparable = (objects: ReadonlyMap<string, unknown>) =>
      new Map([...objects].map(([name, object]) => [name, JSON.parse(JSON.stringify(object, withoutOwn))]));
    expect(uids.length).toBeGreaterThan(3 * 130);
    // All at once, not one by one by the API server.
    const revisions = [...first.values()]
      .filter(isInitial)
      .map((object) => textAt(object, 'metadata', 'resourceVersion'));
    expect(new Set(revisions).size).toBe(1);
    for (const objects of [first, second]) expect(comparable(objects)).toEqual(comparable(plain));
  },
);

function isInitial(object: unknown): boolean {
  const kinds = listInitialObjects('1.20.2')[1]!.split(',');
  return kinds.includes(`${textAt(object, 'kind').toLowerCase().replace(/s$/, 'se')}s`);
}

/** Without what differs between two clusters anyway: identity, times, certificates, and the API server's port in these tests. */
function withoutOwn(key: string, value: unknown): unknown {
  const isOwn =
    /^(?:uid|resourceVersion|selfLink|.*[tT]ime|creationTimestamp|.*client-ca-file|targetPort|port)$/.test(
      key,
    );
  return isOwn ? undefined : value;
}
