import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { until } from '../../../probes/until.ts';
import { at, listAt, textAt } from '../../../probes/transport/json.ts';
import { AddonSet } from '../../../src/kubernetes/addons/addonSet.ts';
import { KubeApi } from '../../../src/kubernetes/addons/kubeApi.ts';
import { addonFilesIn } from '../../../src/kubernetes/addons/source.ts';
import { adminAccess } from '../../../src/kubernetes/kubeconfig/clients.ts';
import { tempDir } from '../../support/cli.ts';
import { addonsIn, startControlPlane } from '../../support/controlPlane.ts';
import type { ControlPlane } from '../../support/controlPlane.ts';

// With a real API server, without a node: a workload becomes available when a test says so.

let plane: ControlPlane;
let api: KubeApi;
const { signal } = new AbortController();

beforeAll(async () => {
  plane = await startControlPlane();
  api = new KubeApi(adminAccess(plane.facts));
}, 90_000);
afterAll(async () => plane.stop());

/** The addons of a node: the folder, and starts of it with a config. Two attempts are as far apart as the test says. */
async function node() {
  const addons = join(await tempDir('addons'), 'addons');
  await mkdir(addons);
  const facts = { ...plane.facts, paths: { ...plane.facts.paths, addons } };
  const file = (name: string): string => join(addons, name);
  onTestFinished(async () => {
    // What is left belongs to no other test.
    const selector = '?labelSelector=k8s-single.local/addon-inventory';
    for (const each of await api.listMetadata(`/api/v1/namespaces/kube-system/configmaps${selector}`, signal))
      await api.remove(
        inventoryOf(textAt(each, 'metadata', 'name').replace('k8s-single-addon-', '')),
        textAt(each, 'metadata', 'uid'),
        signal,
      );
  });
  const start = ({ config }: { config?: string } = {}) => {
    const own = config === undefined || config === '' ? {} : addonsIn(config);
    const set = new AddonSet({
      ...facts,
      config: { ...facts.config, addons: own },
      addons: { files: addonFilesIn(addons), hasConfigFile: config !== undefined },
    });
    const reason = async (attempt: Promise<void>): Promise<string> =>
      attempt.then(
        () => 'ready',
        (error: Error) => error.message,
      );
    return {
      reconcile: async (name: string) => reason(set.reconcile(name, signal)),
      maintain: async () => reason(set.maintain(signal)),
      /** Attempts until the reason is this one. */
      becomes: async (attempt: () => Promise<void>, expected: string | RegExp) =>
        until(
          async () => {
            const found = await reason(attempt());
            if (typeof expected === 'string' ? found !== expected : !expected.test(found))
              throw new Error(found);
          },
          { timeoutMs: 20_000, attemptTimeoutMs: 20_000 },
          signal,
        ),
      set,
    };
  };
  const write = async (name: string, text: string) => writeFile(file(name), text);
  return { addons, file, write, start };
}

const configMap = (name: string, value = 'v', more = ''): string => `apiVersion: v1
kind: ConfigMap
metadata:
  name: ${name}
${more}data: { key: ${value} }
---
`;
const map = (name: string, namespace = 'default'): string =>
  `/api/v1/namespaces/${namespace}/configmaps/${name}`;
const valueOf = async (name: string) => textAt(await api.get(map(name), signal), 'data', 'key');
const exists = async (path: string) => (await api.get(path, signal)) !== undefined;
const make = async (path: string, body: object) => api.create(path, body, signal);
const inventoryOf = (name: string) => map(`k8s-single-addon-${name}`, 'kube-system');

/** Sets a part of an object's status, as its controller does. */
async function setStatus(path: string, apiVersion: string, kind: string, status: object): Promise<void> {
  const name = path.split('/').at(-1);
  const namespace = /namespaces\/([^/]+)/.exec(path)?.[1];
  const body = { apiVersion, kind, metadata: { name, namespace }, status };
  await api.apply(`${path}/status`, body, { force: true }, signal);
}

describe('an addon', () => {
  it('is applied, changed with its file, repaired when an object is deleted, and removed with its file', async () => {
    const { write, start, file } = await node();
    await write('one.yaml', configMap('one-a') + configMap('one-b'));
    const { reconcile, maintain, becomes, set } = start();
    expect(await reconcile('one')).toBe('ready');
    const made = await api.get(map('one-a'), signal);
    expect(at(made, 'metadata', 'labels')).toEqual({ 'k8s-single.local/addon': 'one' });
    expect(listAt(made, 'metadata', 'managedFields').map((each) => textAt(each, 'manager'))).toEqual([
      'k8s-single-addons',
    ]);
    // What others change is left alone, whoever they are.
    await api.apply(
      map('one-a'),
      { apiVersion: 'v1', kind: 'ConfigMap', data: { key: 'by hand' } },
      { force: true },
      signal,
    );
    expect(await reconcile('one')).toBe('ready');
    expect(await valueOf('one-a')).toBe('by hand');

    // A file that has changed is used when it is the same twice.
    await write('one.yaml', configMap('one-a', 'new'));
    await reconcile('one');
    expect(await valueOf('one-a')).toBe('by hand');
    expect(await reconcile('one')).toBe('ready');
    expect(await valueOf('one-a')).toBe('new');
    // The other one is in the manifest no more.
    expect(await exists(map('one-b'))).toBe(true);
    await becomes(async () => set.maintain(signal), 'ready');
    expect(await exists(map('one-b'))).toBe(false);
    expect(await exists(map('one-a'))).toBe(true);

    // After a restart of the supervisor, what was deleted meanwhile is made again.
    await api.remove(map('one-a'), textAt(made, 'metadata', 'uid'), signal);
    const again = start();
    expect(await again.reconcile('one')).toBe('ready');
    expect(await valueOf('one-a')).toBe('new');

    // An editor may remove a file for a moment.
    await rename(file('one.yaml'), file('.one.yaml'));
    expect(await again.maintain()).toBe('ready');
    expect(await exists(map('one-a'))).toBe(true);
    await rename(file('.one.yaml'), file('one.yaml'));
    expect(await again.maintain()).toBe('ready');
    await rm(file('one.yaml'));
    expect(await again.maintain()).toBe('ready');
    await again.becomes(async () => again.set.maintain(signal), 'ready');
    expect(await exists(map('one-a'))).toBe(false);
    expect(await exists(inventoryOf('one'))).toBe(false);
    expect(await again.reconcile('one')).toBe('ready');
    expect(await maintain()).toBe('ready');
  });

  it('whose file comes while the node runs is applied at once', async () => {
    const { write, start } = await node();
    const { maintain } = start();
    expect(await maintain()).toBe('ready');
    await write(
      'late.json',
      JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'late' } }),
    );
    await write('bad.yaml', 'a: [');
    await write('no Name.yaml', configMap('x'));
    await write('notes.txt', 'x');
    expect(await maintain()).toMatch(
      /^no Name: the name of an addon is at most 50 .*; bad: \S+\/bad\.yaml: line 1: not YAML: |^bad: .*; no Name: /,
    );
    expect(await exists(map('late'))).toBe(true);
  });

  it('waits for its workload, and says why it is not ready: the first reason of its pods', async () => {
    const { write, start } = await node();
    const container = '{ name: main, image: example.com/none:1, ports: [{ containerPort: 80 }] }';
    await write(
      'web.yaml',
      `apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [${container}] }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ port: 80 }] }
`,
    );
    const { reconcile } = start();
    const path = '/apis/apps/v1/namespaces/default/deployments/web';
    expect(await reconcile('web')).toBe('waiting for Deployment default/web: 0 of 1 available');
    await setStatus(path, 'apps/v1', 'Deployment', {
      observedGeneration: 1,
      conditions: [
        { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: 'quota exceeded' },
      ],
    });
    expect(await reconcile('web')).toBe(
      'waiting for Deployment default/web: 0 of 1 available: FailedCreate: quota exceeded',
    );
    await make('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
    await make('/api/v1/namespaces/default/pods', {
      metadata: { name: 'web-1', labels: { app: 'web' } },
      spec: {
        automountServiceAccountToken: false,
        containers: [{ name: 'main', image: 'example.com/none:1' }],
      },
    });
    await setStatus('/api/v1/namespaces/default/pods/web-1', 'v1', 'Pod', {
      phase: 'Pending',
      containerStatuses: [
        {
          name: 'main',
          ready: false,
          restartCount: 0,
          image: 'x',
          imageID: '',
          state: { waiting: { reason: 'ErrImagePull', message: 'no such host\nand more' } },
        },
      ],
    });
    expect(await reconcile('web')).toBe(
      'waiting for Deployment default/web: 0 of 1 available: ErrImagePull: no such host',
    );
    await setStatus(path, 'apps/v1', 'Deployment', {
      observedGeneration: 1,
      replicas: 1,
      updatedReplicas: 1,
      readyReplicas: 1,
      availableReplicas: 1,
    });
    expect(await reconcile('web')).toBe('ready');
  });

  it('applies kinds and namespaces before what needs them, and waits for a condition of the config', async () => {
    const { start } = await node();
    const { becomes, reconcile, set } = start({
      config: `crd:
  namespace: zoo
  wait: { apiVersion: example.com/v1, kind: Animal, name: cat, condition: Fed }
  manifest: |
    apiVersion: example.com/v1
    kind: Animal
    metadata: { name: cat }
    ---
    apiVersion: apiextensions.k8s.io/v1
    kind: CustomResourceDefinition
    metadata: { name: animals.example.com }
    spec:
      group: example.com
      names: { kind: Animal, plural: animals }
      scope: Namespaced
      versions:
        - name: v1
          served: true
          storage: true
          subresources: { status: {} }
          schema: { openAPIV3Schema: { type: object, x-kubernetes-preserve-unknown-fields: true } }
`,
    });
    const attempt = async (): Promise<void> => set.reconcile('crd', signal);
    await becomes(attempt, 'waiting for Animal zoo/cat: its condition Fed is not known yet');
    const cat = '/apis/example.com/v1/namespaces/zoo/animals/cat';
    await setStatus(cat, 'example.com/v1', 'Animal', {
      conditions: [{ type: 'Fed', status: 'False', reason: 'NoFish' }],
    });
    expect(await reconcile('crd')).toBe('waiting for Animal zoo/cat: Fed is False: NoFish');
    await setStatus(cat, 'example.com/v1', 'Animal', { conditions: [{ type: 'Fed', status: 'True' }] });
    expect(await reconcile('crd')).toBe('ready');

    // A kind with objects of somebody else is kept, and a namespace with them, too.
    await make('/apis/example.com/v1/namespaces/zoo/animals', {
      apiVersion: 'example.com/v1',
      kind: 'Animal',
      metadata: { name: 'dog' },
    });
    const without = start();
    // Without a config file the node does not know of its addons.
    expect(await without.maintain()).toBe('ready');
    expect(await exists(cat)).toBe(true);
    const gone = start({ config: '' });
    expect(await gone.maintain()).toBe(
      [
        'kept CustomResourceDefinition animals.example.com: there are objects of this kind, such as dog; "kubectl delete customresourcedefinition.apiextensions.k8s.io/animals.example.com" removes it, "kubectl label customresourcedefinition.apiextensions.k8s.io/animals.example.com k8s-single.local/addon-" leaves it to you',
        'kept Namespace zoo: there is something in it that this addon has not made, animals/dog; "kubectl delete namespace/zoo" removes it, "kubectl label namespace/zoo k8s-single.local/addon-" leaves it to you',
      ].join('; '),
    );
    expect(await exists(cat)).toBe(false);
    // They are left to others.
    const release = async (path: string, type: string, name: string): Promise<void> => {
      const [apiVersion, kind] = type.split(' ');
      await api.apply(path, { apiVersion, kind, metadata: { name } }, { force: true }, signal);
    };
    await release('/api/v1/namespaces/zoo', 'v1 Namespace', 'zoo');
    await release(
      '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/animals.example.com',
      'apiextensions.k8s.io/v1 CustomResourceDefinition',
      'animals.example.com',
    ).catch(() => undefined);
    const dog = await api.get('/apis/example.com/v1/namespaces/zoo/animals/dog', signal);
    expect(dog).toBeDefined();
  });

  it('removes nothing that is not its own', async () => {
    const { write, start, file } = await node();
    // There before: adopted, not owned.
    await make('/api/v1/namespaces/default/configmaps', { metadata: { name: 'mine' }, data: { other: 'x' } });
    const claim = `apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: data }
spec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Mi } } }
---
`;
    await write('own.yaml', configMap('mine') + configMap('taken') + configMap('renewed') + claim);
    const { reconcile } = start();
    expect(await reconcile('own')).toBe('ready');
    expect(at(await api.get(map('mine'), signal), 'metadata', 'labels')).toBeUndefined();
    expect(await valueOf('mine')).toBe('v');
    // Taken over by its user, who removes the label.
    await api.apply(
      map('taken'),
      { apiVersion: 'v1', kind: 'ConfigMap', data: { key: 'v' } },
      { force: true },
      signal,
    );
    // Made anew by somebody, with a copy of the label.
    const renewed = await api.get(map('renewed'), signal);
    await api.remove(map('renewed'), textAt(renewed, 'metadata', 'uid'), signal);
    const labels = { 'k8s-single.local/addon': 'own' };
    for (const name of ['renewed', 'copied'])
      await make('/api/v1/namespaces/default/configmaps', { metadata: { name, labels } });

    await rm(file('own.yaml'));
    const { maintain } = start();
    expect(await maintain()).toBe(
      'kept PersistentVolumeClaim default/data: it has data; "kubectl delete --namespace default persistentvolumeclaim/data" removes it, "kubectl label --namespace default persistentvolumeclaim/data k8s-single.local/addon-" leaves it to you',
    );
    const events = listAt(await api.get('/api/v1/namespaces/default/events', signal), 'items');
    const ofClaim = events.filter((event) => textAt(event, 'involvedObject', 'name') === 'data');
    expect(ofClaim.map((event) => textAt(event, 'reason'))).toEqual(['AddonObjectKept']);
    for (const name of ['mine', 'taken', 'renewed', 'copied'])
      expect(await exists(map(name)), name).toBe(true);
  });

  it('that is renamed, or whose object moves to another one, loses nothing', async () => {
    const { write, start, file } = await node();
    await write('before.yaml', configMap('moving'));
    expect(await start().reconcile('before')).toBe('ready');
    const uid = textAt(await api.get(map('moving'), signal), 'metadata', 'uid');
    await rm(file('before.yaml'));
    await write('after.yaml', 'a: [');
    // It may be in the file that cannot be read.
    const broken = start();
    await broken.reconcile('after');
    expect(await broken.maintain()).toMatch(
      /^one object of before not removed before this is repaired: \S+after\.yaml: line 1: not YAML/,
    );
    await write('after.yaml', configMap('moving'));
    const { reconcile, maintain } = start();
    expect(await maintain()).toMatch(/not removed before this is repaired: \S+after\.yaml is not read yet$/);
    expect(await reconcile('after')).toBe('ready');
    expect(await maintain()).toBe('ready');
    const moved = await api.get(map('moving'), signal);
    expect(textAt(moved, 'metadata', 'uid')).toBe(uid);
    expect(at(moved, 'metadata', 'labels')).toEqual({ 'k8s-single.local/addon': 'after' });
    expect(await exists(inventoryOf('before'))).toBe(false);
  });

  it('runs a Job once, even if it is removed when it is complete', async () => {
    const { write, start } = await node();
    const job = (command: string): string => `apiVersion: batch/v1
kind: Job
metadata: { name: once }
spec:
  template: { spec: { restartPolicy: Never, containers: [{ name: main, image: x, command: [${command}] }] } }
`;
    await write('job.yaml', job('one'));
    const path = '/apis/batch/v1/namespaces/default/jobs/once';
    expect(await start().reconcile('job')).toBe('waiting for Job default/once: 0 of 1 complete');
    await api.remove(path, textAt(await api.get(path, signal), 'metadata', 'uid'), signal);
    expect(await start().reconcile('job')).toBe('ready');
    expect(await exists(path)).toBe(false);
    // Another one is another matter.
    await write('job.yaml', job('two'));
    expect(await start().reconcile('job')).toBe('waiting for Job default/once: 0 of 1 complete');
    await write('job.yaml', job('three'));
    expect(await start().reconcile('job')).toMatch(
      /field is immutable.*; after "kubectl delete --namespace default job\.batch\/once" it is made again \(line 1\)$/,
    );
  });
});

describe('bad input has one clear reason, and what is good is applied', () => {
  it('of a kind that does not exist, an object that is refused, and a namespace that is missing', async () => {
    const { write, start } = await node();
    await write(
      'bad.yaml',
      `${configMap('good')}apiVersion: example.net/v1\nkind: Nothing\nmetadata: { name: x }\n---\n${configMap('lost', 'v', '  namespace: nowhere\n')}apiVersion: v1\nkind: Service\nmetadata: { name: bad_name }\nspec: { ports: [] }\n`,
    );
    expect(await start().reconcile('bad')).toBe(
      'the API has no kind Nothing in example.net/v1 (line 7) (and 2 more)',
    );
    expect(await valueOf('good')).toBe('v');
    await write('bad.yaml', configMap('lost', 'v', '  namespace: nowhere\n'));
    expect(await start().reconcile('bad')).toBe(
      'ConfigMap nowhere/lost: namespaces "nowhere" not found (line 1)',
    );
    await write(
      'bad.yaml',
      'apiVersion: v1\nkind: Service\nmetadata: { name: bad_name }\nspec: { ports: [] }\n',
    );
    expect(await start().reconcile('bad')).toMatch(/^Service "bad_name" is invalid.* \(line 1\)$/);
  });

  it('of two addons with one name, or with the same object', async () => {
    const { write, start, file } = await node();
    await write('twin.yaml', configMap('twin-a'));
    await write('twin.json', '{}');
    const { reconcile } = start();
    expect(await reconcile('twin')).toBe(
      `two addons are called twin: ${file('twin.json')} and ${file('twin.yaml')}; rename one of them`,
    );
    expect(await exists(map('twin-a'))).toBe(false);
    await rm(file('twin.json'));

    await write('second.yaml', configMap('twin-a', 'second') + configMap('second-b'));
    const both = start();
    expect(await both.reconcile('twin')).toBe('ready');
    expect(await both.reconcile('second')).toBe(
      'ConfigMap default/twin-a belongs to the addon twin: remove it from one of them (line 1)',
    );
    expect(await valueOf('twin-a')).toBe('v');
    expect(await exists(map('second-b'))).toBe(true);
    // Whose it is does not depend on who comes first after a restart.
    const later = start();
    expect(await later.reconcile('second')).toMatch(/belongs to the addon twin/);
    expect(await later.reconcile('twin')).toBe('ready');
    expect(await valueOf('twin-a')).toBe('v');
  });

  it('of an object of others with other values, which are not overwritten', async () => {
    const { write, start } = await node();
    const body = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'theirs' },
      data: { key: 'theirs' },
    };
    await make('/api/v1/namespaces/default/configmaps', body);
    await write('theirs.yaml', configMap('theirs'));
    expect(await start().reconcile('theirs')).toMatch(
      /^ConfigMap default\/theirs: Apply failed with 1 conflict: conflict .*\.data\.key; this addon has not made it: leave it out of the manifest, or "kubectl delete --namespace default configmap\/theirs" \(line 1\)$/,
    );
    expect(await valueOf('theirs')).toBe('theirs');
  });

  it('of files that are missing, empty, or no manifests; an empty file removes nothing', async () => {
    const { write, start, file } = await node();
    const missing = start({ config: 'gone: { file: /nowhere/x.yaml }' });
    expect(await missing.reconcile('gone')).toBe('there is no file /nowhere/x.yaml');
    await write('empty.yaml', configMap('kept'));
    const running = start({ config: '' });
    expect(await running.reconcile('empty')).toBe('ready');
    await write('empty.yaml', '');
    await running.reconcile('empty');
    const reason = `${file('empty.yaml')}: line 1: there is no object; to remove an addon, remove its file or entry`;
    expect(await running.reconcile('empty')).toBe(reason);
    expect(await running.maintain()).toBe('ready');
    expect(await start().reconcile('empty')).toBe(reason);
    expect(await exists(map('kept'))).toBe(true);
  });

  it('of a URL that cannot be reached; its last copy is used', async () => {
    const { start } = await node();
    let status = 404;
    const server = createServer((_request, response) => {
      response.statusCode = status;
      response.end(configMap('from-url'));
    }).listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/x.yaml`;
    const config = `web: { url: ${url} }`;
    expect(await start({ config }).reconcile('web')).toBe(
      `cannot download ${url}: ${new URL(url).host}: the server does not have it; without a network, take "file:" and load its images`,
    );
    status = 200;
    expect(await start({ config }).reconcile('web')).toBe('ready');
    server.close();
    server.closeAllConnections();
    expect(await start({ config }).reconcile('web')).toBe('ready');
    const other = start({ config: `web: { url: ${url}?other }` });
    expect(await other.reconcile('web')).toMatch(/^cannot download .*: connection refused on 127\.0\.0\.1:/);
    expect(await exists(map('from-url'))).toBe(true);
  });
});
