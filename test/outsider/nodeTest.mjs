import assert from 'node:assert/strict';
import { withNode } from 'k8s-single/node-test';

const test = withNode();

test('the node is ready', async ({ node, t }) => {
  t.diagnostic(`${node.name} at ${node.ip}`);
  assert.match(await node.kubectl('get', 'nodes', '--no-headers'), /^k8s-single +Ready/);
});

test('its components have logs', async ({ node }) => {
  assert.match(await node.logs('etcd'), /etcd/);
});

test('kubectl rejects with its stderr', async ({ node }) => {
  await assert.rejects(node.kubectl('get', 'pod', 'nobody'), /pods "nobody" not found/);
});
