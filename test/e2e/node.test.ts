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
import { startWithTls } from '../support/withTls.ts';

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

/** Fetches the page with nc. The static busybox's wget resolves the port by name, with libraries that the image lacks. */
async function fetchPage(address: string): Promise<string> {
  const request = `printf 'GET /index.html HTTP/1.0\\r\\n\\r\\n' | nc -w 2 ${address} 80`;
  const response = await node.kubectl('exec', 'client', '--', 'sh', '-c', request);
  return response.split('\r\n\r\n')[1] ?? response;
}

/** Waits until the assertion holds: kube-proxy, for one, updates its rules after a delay. */
async function eventually(assertion: () => Promise<void>): Promise<void> {
  const probe = async (): Promise<void> => {
    await assertion().catch((error: unknown) => {
      throw new Unhealthy(String(error));
    });
  };
  await until(probe, { timeoutMs: 60_000, attemptTimeoutMs: 20_000 }, new AbortController().signal);
}

async function podsAreReady(): Promise<void> {
  await node.kubectl('wait', '--for=condition=Ready', '--timeout=90s', 'pod', '--all');
}

beforeAll(async () => {
  // A killed run may have left it.
  await node.remove();
  before = await snapshotHost();
  await node.up('--listen', '127.0.0.1:0');
});

afterAll(async () => node.remove());

describe('a new node', () => {
  it('is ready, and Ready for Kubernetes', async () => {
    expect([...(await node.status()).values()].filter(({ state }) => state !== 'ready')).toEqual([]);
    expect(await node.kubectl('get', 'nodes', '--no-headers')).toMatch(/^k8s-single +Ready/);
  });

  it('runs a pod that can be reached at its own address and through its Service', async () => {
    await importBusybox(node.containerdSocket);
    await node.apply(web, client, service);
    await podsAreReady();
    expect(await node.kubectl('get', 'pod', 'web', '--no-headers')).toMatch(/^web +1\/1 +Running/);
    const podIp = await node.kubectl('get', 'pod', 'web', '-o', 'jsonpath={.status.podIP}');
    const clusterIp = await node.kubectl('get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}');
    expect(await fetchPage(podIp)).toBe('hello');
    await eventually(async () => expect(await fetchPage(clusterIp)).toBe('hello'));
  });

  it('supports kubectl logs and exec', async () => {
    expect(await node.kubectl('logs', 'web')).toBe('serving');
    expect(await node.kubectl('exec', 'web', '--', 'cat', '/index.html')).toBe('hello');
  });

  it('serves its page and its metrics on a port of the host, but no control API', async () => {
    const { url } = await readNodeFile(node.name);
    const get = async (path: string, init?: RequestInit) => fetch(new URL(path, url), init);
    expect(await (await get('/')).text()).toContain('aria-label="apiserver: ready in');
    expect(await (await get('/readyz')).text()).toBe('ok\n');
    expect(await (await get('/metrics')).text()).toMatch(
      /probe_duration_seconds_count\{component="apiserver",result="healthy"\} \d/,
    );
    expect((await get('/v1/down', { method: 'POST' })).status).toBe(404);
  });

  it('gives no pod with the dnsPolicy Default a name server of its own loopback, and refuses its queries at once', async () => {
    const { ip } = await readNodeFile(node.name);
    const pod = (name: string, hostNetwork: boolean) => {
      return { ...client, metadata: { name }, spec: { ...client.spec, dnsPolicy: 'Default', hostNetwork } };
    };
    const names = ['default', 'default-host'];
    await node.apply(pod('default', false), pod('default-host', true));
    await podsAreReady();
    for (const name of names) {
      const exec = async (command: string) =>
        node.kubectl('exec', name, '--', 'sh', '-c', `${command} 2>&1 || true`);
      expect(await exec('cat /etc/resolv.conf')).toBe(`nameserver ${ip}`);
      expect(await exec('nslookup example.com')).toContain('Connection refused');
      // No Service has this address.
      expect(await exec('nc -w 5 10.0.0.99 443')).toContain('Connection refused');
    }
    await node.kubectl('delete', 'pod', ...names);
  });

  it('passes the checks of doctor --security as it runs', async () => {
    const { checks } = JSON.parse(await node.run('doctor', '--security', '--json')) as {
      checks: { id: string; result: string; reason: string }[];
    };
    expect(checks.filter(({ result }) => result === 'fail')).toEqual([]);
    expect(checks.find(({ id }) => id === '2.2')).toMatchObject({ reason: '--client-cert-auth=true' });
  });

  it('rejects requests without a client certificate', async () => {
    const server = await node.kubectl('config', 'view', '-o', 'jsonpath={.clusters[0].cluster.server}');
    const ca = join(node.dataDir, 'pki/ca.crt');
    const { exitCode, stderr } = await cli(['probe', '--ca', ca, 'http', `${server}/api`]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('HTTP 401 Unauthorized');
  });
});

describe('a controller with TLS only, as from Kubernetes 1.22 on:', () => {
  it.each([
    ['the controller manager', controllerManager],
    ['the scheduler', scheduler],
  ] as const)('%s accepts our certificates and is healthy', async (_name, controller) => {
    await using second = await startWithTls(node, controller);
    await eventually(async () => expect(await second.probeHealth()).toContain('healthy'));
  });
});

describe('kill -9 of', () => {
  for (const name of nodeServices) {
    it(`${name}: the node becomes ready again and runs a new pod`, async () => {
      const { pid, restarts } = (await node.status()).get(name)!;
      // The pid is that of the node's own namespace.
      await node.killInside(pid!);
      await eventually(async () => expect((await node.status()).get(name)!.restarts).toBe(restarts + 1));
      await node.run('status', '--wait', '--timeout', '120s');
      const newPod = { ...client, metadata: { name: `after-${name}` } };
      await node.apply(newPod);
      await podsAreReady();
      await node.kubectl('delete', 'pod', `after-${name}`, '--wait=true');
    });
  }
});

describe('down and up again', () => {
  it('keeps the data and runs the same pods again', async () => {
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
