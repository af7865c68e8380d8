import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Api } from '../../probes/kinds/api.ts';
import {
  ensureDefaultServiceAccount,
  removeNotReadyTaint,
} from '../../src/kubernetes/components/bootstrapSteps.ts';
import { pkiPaths } from '../../src/kubernetes/pki/paths.ts';
import { pass } from '../fixtures/probes/attempts.ts';
import { TestNode } from '../support/testNode.ts';

const node = new TestNode('e2e-bootstrap');

beforeAll(async () => {
  // A killed run may have left it.
  await node.remove();
  await node.up();
});
afterAll(async () => node.remove());

/** The API server with the administrator's credentials, as reached from outside the node. */
async function adminApi(): Promise<Api> {
  const server = await node.kubectl('config', 'view', '-o', 'jsonpath={.clusters[0].cluster.server}');
  const { ca, admin } = pkiPaths(join(node.dataDir, 'pki'));
  return { server, ca: ca.cert, ...admin };
}

it('a ready node accepts and schedules its first pod at once', async () => {
  await node.kubectl('run', 'first', '--image=k8s-single.local/pause:1', '--image-pull-policy=IfNotPresent');
  await node.kubectl('wait', '--for=condition=Ready', '--timeout=60s', 'pod/first');
  const events = await node.kubectl('get', 'events', '-o', 'jsonpath={.items[*].reason}');
  expect(events).toContain('Started');
  expect(events).not.toContain('FailedScheduling');
});

it('the CA for pods of Kubernetes 1.21 and later is published under the name that the graph waits for', async () => {
  await node.kubectl('wait', '--for=condition=Ready', 'node/k8s-single');
  expect(await node.kubectl('get', 'configmap', 'kube-root-ca.crt', '-o', 'name')).toBe(
    'configmap/kube-root-ca.crt',
  );
});

describe('without a controller manager', () => {
  beforeAll(async () => void (await node.run('stop', 'controller-manager')));

  it('ensures the default ServiceAccount', async () => {
    await node.kubectl('delete', 'serviceaccount', 'default');
    const ensured = ensureDefaultServiceAccount(await adminApi());
    await pass(ensured);
    expect(await node.kubectl('get', 'serviceaccount', 'default', '-o', 'name')).toBe(
      'serviceaccount/default',
    );
    // It exists already.
    await pass(ensured);
  });

  it('removes the taint not-ready from the node, and no other', async () => {
    const taints = ['node.kubernetes.io/not-ready:NoSchedule', 'test/other:NoSchedule'];
    await node.kubectl('taint', 'node', 'k8s-single', ...taints);
    await pass(removeNotReadyTaint(await adminApi(), 'k8s-single'));
    const remaining = await node.kubectl('get', 'node', 'k8s-single', '-o', 'jsonpath={.spec.taints[*].key}');
    expect(remaining).toBe('test/other');
  });
});

it('up fails at once, with the message of Kubernetes, when the pod range differs from that of the existing node', async () => {
  await node.run('down');
  const config = join(node.dataDir, 'other.yaml');
  await writeFile(config, 'network: { podCidr: 10.245.0.0/24 }\n');
  await expect(node.up('--config', config, '--timeout', '60s')).rejects.toThrow(
    /node failed: HTTP 422 .* may not change podCIDR/,
  );
});
