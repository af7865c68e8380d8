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

const node = new TestNode('e2e-ahead');

beforeAll(async () => {
  // A run that was killed may have left it.
  await node.remove();
  await node.up();
});
afterAll(async () => node.remove());

/** As the administrator, from outside of the node. */
async function access(): Promise<Api> {
  const server = await node.kubectl('config', 'view', '-o', 'jsonpath={.clusters[0].cluster.server}');
  const { ca, admin } = pkiPaths(join(node.dataDir, 'pki'));
  return { server, ca: ca.cert, ...admin };
}

it('a node that is ready takes a pod at once: the first one is not refused', async () => {
  await node.kubectl('run', 'first', '--image=k8s-single.local/pause:1', '--image-pull-policy=IfNotPresent');
  await node.kubectl('wait', '--for=condition=Ready', '--timeout=60s', 'pod/first');
  const events = await node.kubectl('get', 'events', '-o', 'jsonpath={.items[*].reason}');
  expect(events).toContain('Started');
  expect(events).not.toContain('FailedScheduling');
});

it('the CA that pods trust from 1.21 on is published under the name that is waited for', async () => {
  await node.kubectl('wait', '--for=condition=Ready', 'node/k8s-single');
  expect(await node.kubectl('get', 'configmap', 'kube-root-ca.crt', '-o', 'name')).toBe(
    'configmap/kube-root-ca.crt',
  );
});

describe('without a controller manager', () => {
  beforeAll(async () => void (await node.run('stop', 'controller-manager')));

  it('the default account is made', async () => {
    await node.kubectl('delete', 'serviceaccount', 'default');
    const made = ensureDefaultServiceAccount(await access());
    await pass(made);
    expect(await node.kubectl('get', 'serviceaccount', 'default', '-o', 'name')).toBe(
      'serviceaccount/default',
    );
    // It is there already.
    await pass(made);
  });

  it('the node loses its taint not-ready, and no other', async () => {
    const taints = ['node.kubernetes.io/not-ready:NoSchedule', 'test/other:NoSchedule'];
    await node.kubectl('taint', 'node', 'k8s-single', ...taints);
    await pass(removeNotReadyTaint(await access(), 'k8s-single'));
    const left = await node.kubectl('get', 'node', 'k8s-single', '-o', 'jsonpath={.spec.taints[*].key}');
    expect(left).toBe('test/other');
  });
});

it('another pod range than the node has is refused at once, with what Kubernetes says', async () => {
  await node.run('down');
  const config = join(node.dataDir, 'other.yaml');
  await writeFile(config, 'network: { podCidr: 10.245.0.0/24 }\n');
  await expect(node.up('--config', config, '--timeout', '60s')).rejects.toThrow(
    /node failed: HTTP 422 .* may not change podCIDR/,
  );
});
