import { describe, expect } from 'vitest';
import { withNode } from 'k8s-single/vitest';

describe('an app on a node of its own', () => {
  const test = withNode();

  test('runs from an image that is in no registry', async ({ node }) => {
    const [image = ''] = await node.loadImage(process.env['IMAGE'] ?? '');
    await node.kubectl('run', 'app', `--image=${image}`, '--', 'sh', '-c', 'echo served; exec sleep 1000000');
    await node.kubectl('wait', '--for=condition=Ready', '--timeout=60s', 'pod', 'app');
    expect(await node.kubectl('logs', 'app')).toBe('served');
  }, 90_000);

  test('shares the node with the test before', async ({ node }) => {
    expect(await node.kubectl('get', 'pods', '-o', 'name')).toBe('pod/app');
  });
});
