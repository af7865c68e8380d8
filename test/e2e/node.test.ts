import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../probes/until.ts';
import { Unhealthy } from '../../probes/probe.ts';
import { controllerManager } from '../../src/kubernetes/components/controllerManager.ts';
import { scheduler } from '../../src/kubernetes/components/scheduler.ts';
import { readNodeFile } from '../../src/instance/nodeFile.ts';
import { cli } from '../support/cli.ts';
import { busyboxImage, importBusybox } from '../support/busybox.ts';
import { leftoversSince, snapshotHost } from '../support/leftovers.ts';
import type { Snapshot } from '../support/leftovers.ts';
import { nodeServices, TestNode } from '../support/testNode.ts';
import { startedWithTls } from '../support/withTls.ts';

const node = new TestNode('e2e-node');
let before: Snapshot;

const web = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', labels: { app: 'web' } },
  spec: {
    terminationGracePeriodSeconds: 0,
    containers: [
      {
        name: 'web',
        image: busyboxImage,
        imagePullPolicy: 'Never',
        command: ['sh', '-c', 'echo hello > /index.html; echo serving; exec httpd -f -p 80 -h /'],
        readinessProbe: { httpGet: { path: '/index.html', port: 80 }, periodSeconds: 1 },
      },
    ],
  },
};
const client = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'client' },
  spec: {
    terminationGracePeriodSeconds: 0,
    containers: [{ name: 'client', image: busyboxImage, imagePullPolicy: 'Never' }],
  },
};
const service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web' },
  spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
};

/** Not wget: busybox's static one looks the port up by name, and that takes libraries which the image has not. */
async function fetched(address: string): Promise<string> {
  const request = `printf 'GET /index.html HTTP/1.0\\r\\n\\r\\n' | nc -w 2 ${address} 80`;
  const answer = await node.kubectl('exec', 'client', '--', 'sh', '-c', request);
  return answer.split('\r\n\r\n')[1] ?? answer;
}

/** The proxy programs its rules a moment after it is asked to. */
async function eventually(look: () => Promise<void>): Promise<void> {
  const probe = async (): Promise<void> => {
    await look().catch((error: unknown) => {
      throw new Unhealthy(String(error));
    });
  };
  await until(probe, { timeoutMs: 60_000, attemptTimeoutMs: 20_000 }, new AbortController().signal);
}

async function podsAreReady(): Promise<void> {
  await node.kubectl('wait', '--for=condition=Ready', '--timeout=90s', 'pod', '--all');
}

beforeAll(async () => {
  // A run that was killed may have left it.
  await node.remove();
  before = await snapshotHost();
  await node.up('--listen', '127.0.0.1:0');
});

afterAll(async () => node.remove());

describe('a node that came up from nothing', () => {
  it('is ready as a whole, and Kubernetes says so too', async () => {
    expect([...(await node.status()).values()].filter(({ state }) => state !== 'ready')).toEqual([]);
    expect(await node.kubectl('get', 'nodes', '--no-headers')).toMatch(/^k8s-single +Ready/);
  });

  it('runs a pod that answers on its own address and through its Service', async () => {
    await importBusybox(node.containerdSocket);
    await node.apply(web, client, service);
    await podsAreReady();
    expect(await node.kubectl('get', 'pod', 'web', '--no-headers')).toMatch(/^web +1\/1 +Running/);
    const podIp = await node.kubectl('get', 'pod', 'web', '-o', 'jsonpath={.status.podIP}');
    const clusterIp = await node.kubectl('get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}');
    expect(await fetched(podIp)).toBe('hello');
    await eventually(async () => expect(await fetched(clusterIp)).toBe('hello'));
  });

  it('has logs and exec', async () => {
    expect(await node.kubectl('logs', 'web')).toBe('serving');
    expect(await node.kubectl('exec', 'web', '--', 'cat', '/index.html')).toBe('hello');
  });

  it('serves its page and its metrics on a port of the host, and nothing that acts', async () => {
    const { url } = await readNodeFile(node.name);
    const get = async (path: string, init?: RequestInit) => fetch(new URL(path, url), init);
    expect(await (await get('/')).text()).toContain('aria-label="apiserver: ready in');
    expect(await (await get('/readyz')).text()).toBe('ok\n');
    expect(await (await get('/metrics')).text()).toMatch(
      /probe_duration_seconds_count\{component="apiserver",result="healthy"\} \d/,
    );
    expect((await get('/v1/down', { method: 'POST' })).status).toBe(404);
  });

  it('refuses whoever has no certificate', async () => {
    const server = await node.kubectl('config', 'view', '-o', 'jsonpath={.clusters[0].cluster.server}');
    const ca = join(node.dataDir, 'pki/ca.crt');
    const { exitCode, stderr } = await cli(['probe', '--ca', ca, 'http', `${server}/api`]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('HTTP 401 Unauthorized');
  });
});

describe('a control loop that has no port without TLS, as from 1.22 on:', () => {
  it.each([
    ['the controller manager', controllerManager],
    ['the scheduler', scheduler],
  ] as const)('%s takes our certificates and says that it is well', async (_name, loop) => {
    await using another = await startedWithTls(node, loop);
    await eventually(async () => expect(await another.health()).toContain('healthy'));
  });
});

describe('kill -9 of', () => {
  for (const name of nodeServices) {
    it(`${name}: the node is fully ready again`, async () => {
      const { pid, restarts } = (await node.status()).get(name)!;
      // Pids of the node's own namespace mean nothing here, so the node's own kill is asked.
      await node.killInside(pid!);
      await eventually(async () => expect((await node.status()).get(name)!.restarts).toBe(restarts + 1));
      await node.run('status', '--wait', '--timeout', '120s');
      const fresh = { ...client, metadata: { name: `after-${name}` } };
      await node.apply(fresh);
      await podsAreReady();
      await node.kubectl('delete', 'pod', `after-${name}`, '--wait=true');
    });
  }
});

describe('down and up again', () => {
  it('keeps the data: the pods of before run again', async () => {
    await node.run('down');
    await node.up();
    await podsAreReady();
    expect(await node.kubectl('get', 'pods', '-o', 'name')).toBe('pod/client\npod/web');
    expect(await node.kubectl('exec', 'web', '--', 'cat', '/index.html')).toBe('hello');
  });

  it('leaves no process, mount, interface, namespace, cgroup or socket', async () => {
    await node.run('down');
    expect(await leftoversSince(before, node.name)).toEqual([]);
  });
});
