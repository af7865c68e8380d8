import { writeFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/yaml/parseConfig.ts';
import type { Command, Component } from '../../../src/engine/component.ts';
import { externalEtcdTask } from '../../../src/kubernetes/components/externalEtcd.ts';
import { expiryOf } from '../../../src/kubernetes/pki/expiry.ts';
import { plannedGraph } from '../../../src/supervisor/plannedGraph.ts';
import { closedPort, serve } from '../../fixtures/probes/servers.ts';
import { cli, tempDir } from '../../support/cli.ts';
import { day, madePki } from '../../support/pki.ts';

const never = new AbortController().signal;
const endpoints = ['https://etcd-1.example:2379', 'https://etcd-2.example:2379'];
const files = { caFile: '/etcd/ca.crt', certFile: '/etcd/client.crt', keyFile: '/etcd/client.key' };

function graphWith(etcd: object, more: object = {}): ReadonlyMap<string, Component> {
  const config = parseConfig(JSON.stringify({ etcd, ...more }), 'c.yaml');
  return new Map(plannedGraph(config, '1.20.2').map((one) => [one.name, one]));
}

async function argsOf(component: Component | undefined): Promise<readonly string[]> {
  if (component?.kind !== 'service') throw new Error('a service was expected');
  const { command } = component;
  const { args }: Command = typeof command === 'function' ? await command() : command;
  return args;
}

it('a node with an etcd of others has none of its own, nor what is done in it', () => {
  const [own, others] = [graphWith({}), graphWith({ endpoints, ...files })];
  expect(own.get('etcd')?.kind).toBe('service');
  expect(others.get('etcd')).toMatchObject({ kind: 'task', needs: ['pki'] });
  const missing = [...own.keys()].filter((name) => !others.has(name));
  // The latter only after an install.
  expect(missing.filter((name) => name !== 'initial-objects')).toEqual(['etcd-space']);
  expect(others.has('initial-objects')).toBe(false);
  expect([...others.keys()].filter((name) => !own.has(name))).toEqual(['etcd-members', 'node-name']);
  expect(others.get('etcd-members')).toMatchObject({ optional: true });
  expect(graphWith({ endpoints: endpoints.slice(1), ...files }).has('etcd-members')).toBe(false);
  expect(others.get('apiserver')?.needs).toContain('etcd');
});

it('what others may have made in a shared cluster is not removed', () => {
  const none = { storage: 'none', loadBalancer: 'none', dns: 'none' };
  const removals = ['dns-removal', 'load-balancer-removal', 'storage-removal'];
  expect([...graphWith({}, none).keys()]).toEqual(expect.arrayContaining(removals));
  const names = [...graphWith({ endpoints, ...files }, none).keys()];
  expect(names.filter((name) => name.endsWith('removal') || name === 'dns')).toEqual([]);
});

it('its controllers elect a leader, and wait for etcd before they start again', async () => {
  const dataDir = join(await tempDir('external-etcd'), 'data');
  const [own, others] = [
    graphWith({}, { dataDir }),
    graphWith({ endpoints, ...files }, { dataDir, nodeName: 'first' }),
  ];
  for (const name of ['controller-manager', 'scheduler']) {
    expect(await argsOf(own.get(name))).toContain('--leader-elect=false');
    expect(await argsOf(others.get(name))).toContain('--leader-elect=true');
    expect(others.get(name)?.needs).toContain('etcd');
  }
  expect(await argsOf(others.get('apiserver'))).toEqual(
    expect.arrayContaining([
      '--etcd-servers=https://etcd-1.example:2379,https://etcd-2.example:2379',
      '--etcd-cafile=/etcd/ca.crt',
      '--etcd-certfile=/etcd/client.crt',
      '--etcd-keyfile=/etcd/client.key',
    ]),
  );
  const plain = graphWith({ endpoints: ['http://127.0.0.1:2379'] }, { dataDir });
  expect((await argsOf(plain.get('apiserver'))).filter((arg) => arg.startsWith('--etcd'))).toEqual([
    '--etcd-servers=http://127.0.0.1:2379',
  ]);
});

/** Answers like a member; resolves with its URL. */
const member = async (answer: RequestListener): Promise<string> => (await serve(answer)).url;

const ill: RequestListener = (_, response) => void response.writeHead(503).end('{"health":"false"}');
const well: RequestListener = (_, response) => void response.end('{"health":"true"}');

async function reasonWith(...urls: readonly string[]): Promise<string> {
  const { live } = externalEtcdTask(
    urls.map((url) => ({ url })),
    '/no/ca.crt',
    [],
  );
  return live!(never).then(
    () => 'ready',
    (error: unknown) => String(error),
  );
}

it('etcd is ready while a member takes writes; else the reason has each of them', async () => {
  const [illOne, wellOne, gone] = [
    await member(ill),
    await member(well),
    `http://127.0.0.1:${await closedPort()}`,
  ];
  expect(await reasonWith(gone, illOne, wellOne)).toBe('ready');
  expect(await reasonWith(gone, illOne)).toBe(
    `Unhealthy: no member of etcd takes writes: connection refused on ${gone.slice(7)}; ` +
      `${illOne.slice(7)}: etcd is not healthy: no leader, no quorum or an alarm; its log says which`,
  );
});

it('a member that does not answer hides neither a good one nor the reasons of the others', async () => {
  const [silent, wellOne, illOne] = [await member(() => undefined), await member(well), await member(ill)];
  expect(await reasonWith(silent, wellOne)).toBe('ready');
  expect(await reasonWith(silent, illOne)).toMatch(/takes writes: .*no answer within 3000 ms; .*no leader/);
});

it('snapshots of a node with an etcd of others are refused, also while it is down', async () => {
  const dataDir = await tempDir('external-etcd');
  const save = async (): Promise<string> => {
    const args = ['snapshot', 'save', '--name', 'external-etcd', '--data-dir', dataDir];
    const { all, exitCode } = await cli(args, { all: true });
    expect(exitCode).not.toBe(0);
    return String(all);
  };
  expect(await save()).toContain('has no data of a cluster');
  await writeFile(join(dataDir, 'versions.json'), '{"kube-apiserver":"1.20.2"}\n');
  expect(await save()).toContain('the cluster of node external-etcd is in an etcd of others');
});

it('a client certificate that is about to expire is known', async () => {
  const { pki } = await madePki();
  const later = (days: number): Date => new Date(Date.now() + days * day);
  expect(expiryOf(pki.apiserverEtcd.cert, later(200))).toBeUndefined();
  expect(expiryOf(pki.apiserverEtcd.cert, later(340))).toMatch(/^apiserver-etcd-client.crt expires at /);
  expect(expiryOf(pki.apiserverEtcd.cert, later(400))).toMatch(
    /^apiserver-etcd-client.crt is expired since /,
  );
  expect(expiryOf('/no/file')).toBeUndefined();
});
