import { describe, expect, it } from 'vitest';
import { apiOf } from '../../src/smoke/api.ts';
import type { Check } from '../../src/smoke/check.ts';
import { hostNetwork } from '../../src/smoke/checks/hostNetwork.ts';
import { namespace } from '../../src/smoke/checks/namespace.ts';
import { node } from '../../src/smoke/checks/node.ts';
import { pod } from '../../src/smoke/checks/pod.ts';
import { pressure } from '../../src/smoke/checks/pressure.ts';
import { rbac } from '../../src/smoke/checks/rbac.ts';
import { volume } from '../../src/smoke/checks/volume.ts';
import { runChecks } from '../../src/smoke/run.ts';
import { createNamespace } from '../../src/smoke/smoke.ts';
import { closedPort, serve } from '../fixtures/probes/servers.ts';

/**
 * An API server with states that are hard to produce with a real one. Answers each path with its object,
 * others with `{}`.
 */
async function brokenApi(answers: Record<string, object>, status = 200) {
  const { url } = await serve((request, response) => {
    const object = answers[new URL(request.url ?? '', 'http://any').pathname] ?? {};
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(object));
  });
  return apiOf({ server: url, insecure: false });
}

const namespacePath = '/api/v1/namespaces/test';

async function reasonOf(
  check: Check,
  answers: Record<string, object>,
  { status = 200, deadlineMs = 100 } = {},
): Promise<string> {
  const api = await brokenApi(answers, status);
  const never = new AbortController().signal;
  const [result] = await runChecks([{ ...check, needs: [], deadlineMs }], {
    context: {
      api,
      apiAs: () => api,
      namespace: 'test',
      namespacePath,
      image: { name: 'none', pull: 'Never' },
      exec: async () => '',
      stream: () => {
        throw new Error('no pod');
      },
    },
    timeoutMs: 10_000,
    watcher: { started: () => undefined, waiting: () => undefined, ended: () => undefined },
    suspects: async () => [],
    signal: never,
    cleanupSignal: never,
  });
  return result !== undefined && 'reason' in result ? `${result.outcome}: ${result.reason}` : 'passed';
}

function withCondition(name: string, condition: object): object {
  return { metadata: { name }, status: { conditions: [condition] } };
}

describe('finds the fault of a cluster', () => {
  it('with a full disk, at once', async () => {
    const full = {
      type: 'DiskPressure',
      status: 'True',
      reason: 'KubeletHasDiskPressure',
      message: 'kubelet has disk pressure',
    };
    const nodes = { items: [withCondition('a', full)] };
    expect(await reasonOf(pressure, { '/api/v1/nodes': nodes }, { deadlineMs: 60_000 })).toBe(
      'failed: nodes: no pod can be scheduled: a has DiskPressure (KubeletHasDiskPressure: kubelet has disk pressure)',
    );
    // Pods go to the other node.
    const fine = withCondition('b', { ...full, status: 'False' });
    expect(
      await reasonOf(
        pressure,
        { '/api/v1/nodes': { items: [...nodes.items, fine] } },
        { deadlineMs: 60_000 },
      ),
    ).toBe('passed');
  });

  it('with a node that is not Ready', async () => {
    const down = { type: 'Ready', status: 'False', reason: 'KubeletNotReady', message: 'no CNI plugin' };
    const nodes = {
      items: [withCondition('a', { type: 'Ready', status: 'True' }), withCondition('b', down)],
    };
    expect(await reasonOf(node, { '/api/v1/nodes': nodes })).toContain(
      'failed: nodes: b is not Ready: KubeletNotReady: no CNI plugin',
    );
  });

  it('without a node', async () => {
    expect(await reasonOf(node, { '/api/v1/nodes': { items: [] } })).toContain('no node is registered');
  });

  it('whose scheduler finds no node for a pod', async () => {
    const condition = {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message: '0/1 nodes',
    };
    expect(await reasonOf(pod, { [`${namespacePath}/pods/pod`]: withCondition('pod', condition) })).toContain(
      'the pod: not scheduled: Unschedulable: 0/1 nodes',
    );
  });

  it('that allows everything to every user', async () => {
    expect(await reasonOf(rbac, {})).toBe(
      'failed: refusing an account without rights: an account without the right can read the configmaps: is RBAC enabled?',
    );
  });

  it('whose default StorageClass would retain our volume', async () => {
    const annotations = { 'storageclass.kubernetes.io/is-default-class': 'true' };
    const items = [{ metadata: { name: 'disk', annotations }, reclaimPolicy: 'Retain' }];
    expect(await reasonOf(volume, { '/apis/storage.k8s.io/v1/storageclasses': { items } })).toBe(
      'skipped: the default StorageClass disk retains its volumes: the test would leave one behind',
    );
  });

  it('that admits no pod in the network of its nodes', async () => {
    const refusal = { message: 'pods "host-network" is forbidden: hostNetwork' };
    expect(await reasonOf(hostNetwork, { [`${namespacePath}/pods`]: refusal }, { status: 403 })).toBe(
      'skipped: this cluster admits no pod in the node\'s network: pods "host-network" is forbidden: hostNetwork',
    );
  });

  it('that cannot finish removing a namespace', async () => {
    const condition = {
      type: 'NamespaceContentRemaining',
      status: 'True',
      reason: 'SomeResourcesRemain',
      message: 'pods. has 1 resource instances',
    };
    expect(await reasonOf(namespace, { [namespacePath]: withCondition('test', condition) })).toContain(
      'kubectl delete namespace test: it is still there: SomeResourcesRemain: pods. has 1 resource instances',
    );
  });
});

describe('the namespace of a run', () => {
  const never = new AbortController().signal;

  it('is refused: the user lacks the right', async () => {
    const api = await brokenApi({ '/api/v1/namespaces': { message: 'namespaces is forbidden' } }, 403);
    await expect(createNamespace(api, 'test', never)).rejects.toMatchObject({
      code: 'usage',
      message: 'this user may not create a namespace: namespaces is forbidden',
    });
  });

  it('exists already: the response to an earlier attempt was lost', async () => {
    await expect(createNamespace(await brokenApi({}, 409), 'test', never)).resolves.toBeUndefined();
  });

  it('cannot be created: the API server does not answer', async () => {
    const api = apiOf({ server: `http://127.0.0.1:${await closedPort()}`, insecure: false });
    await expect(createNamespace(api, 'test', never, { timeoutMs: 200 })).rejects.toMatchObject({
      code: 'notReady',
      message: expect.stringContaining('the API server cannot be used: connection refused') as string,
    });
  });
});
