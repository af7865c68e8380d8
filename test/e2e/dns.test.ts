import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../probes/until.ts';
import { coreDnsBinary } from '../../src/install/find/binaries.ts';
import { findBinaries } from '../../src/install/find/findBinaries.ts';
import { readNodeFile } from '../../src/instance/nodeFile.ts';
import { debianRoot } from '../config/debianRoot.ts';
import { ask, cases, clusterObjects, many, verify } from '../dns/cases.ts';
import type { Reply } from '../dns/cases.ts';
import { busyboxImage, importBusybox } from '../support/busybox.ts';
import { cli } from '../support/cli.ts';
import { testBinaries } from '../support/installBinaries.ts';
import { programImage } from '../support/programImage.ts';
import { TestNode } from '../support/testNode.ts';

const node = new TestNode('e2e-dns');
const port = 10_053;
const glibcImage = 'k8s-single.local/glibc:1';

/** The servers that this machine has. */
const hasCoreDns =
  findBinaries({ binDirs: [], cacheDirs: [], binaries: [coreDnsBinary] }).missing.length === 0;
const servers = ['embedded', ...(hasCoreDns ? ['coredns'] : [])];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp('/var/tmp/k8s-single-dns-');
});
afterAll(async () => {
  await node.remove();
  await rm(folder, { recursive: true });
});

/** A config that chooses the DNS server. */
async function configWith(dns: string): Promise<string[]> {
  const file = join(folder, 'config.yaml');
  await writeFile(file, `dns: ${dns}\n`);
  return ['--config', file];
}

/** Where the server is asked: in the node's network. */
async function place() {
  const { ip } = await readNodeFile(node.name);
  const pid = await node.hostPid((await node.status()).get('dns')?.pid ?? 0);
  return { address: ip, port, prefix: ['nsenter', '--target', String(pid), '--net'] };
}

/** Builds an image with getent: it resolves names as glibc does. */
async function glibcArchive(): Promise<string> {
  const { busybox } = await testBinaries('busybox');
  const files = { 'bin/sleep': busybox };
  return programImage(folder, { image: glibcImage, programs: ['/usr/bin/getent'], files });
}

const pod = (name: string, image: string, command: readonly string[], labels = {}) => ({
  metadata: { name, labels },
  spec: {
    terminationGracePeriodSeconds: 0,
    hostname: name,
    containers: [{ name, image, imagePullPolicy: 'Never', command }],
  },
});
const idle = ['sleep', '1000000'];

async function exec(target: string, ...command: string[]): Promise<string> {
  return node.kubectl('exec', target, '--', ...command);
}

describe.each(servers)('with the server %s', (server) => {
  const own = cases.filter(({ coreDns }) => server === 'embedded' || coreDns === undefined);
  let replies: readonly Reply[];

  beforeAll(async () => {
    await node.up(...(await configWith(server)));
    await node.apply(...clusterObjects('discovery.k8s.io/v1beta1'));
    // The last one that was made.
    const last = { name: 'circle-b.dns-test.svc.cluster.local', type: 'CNAME' };
    const where = await place();
    const isThere = async (): Promise<void> => {
      const [reply] = await ask(where, last);
      if (reply?.answers.length !== 1) throw new Error(`no ${last.name} yet`);
    };
    await until(isThere, { timeoutMs: 30_000 }, new AbortController().signal);
    replies = await ask(where, ...own.map((each) => each.ask));
  });

  afterAll(async () => node.run('down'));

  for (const [index, each] of own.entries()) it(each.it, () => verify(replies[index]!, each));

  it('what does not fit into a UDP message comes by TCP', async () => {
    const name = 'many.dns-test.svc.cluster.local';
    const [udp, tcp] = await ask(await place(), { name, type: 'A' }, { name, type: 'A', tcp: true });
    expect(udp).toMatchObject({ tc: true });
    expect(tcp!.answers.length).toBe(many);
  });

  it('a name outside the cluster fails at once', async () => {
    const [reply] = await ask(await place(), { name: 'www.example.com', type: 'A' });
    expect(['REFUSED', 'SERVFAIL']).toContain(reply!.rcode);
    expect(reply!.ms).toBeLessThan(1000);
  });

  it('dig finds the ports of a Service by its cluster IP and by name', async () => {
    const { path, env } = await debianRoot(['bind9-dnsutils']);
    const { address, prefix } = await place();
    const srv = '_http._tcp.web.dns-test.svc.cluster.local';
    const dig = [`${path.split(':')[0]}/dig`, `@${address}`, '-p', String(port), '+short', srv, 'SRV'];
    const { stdout } = await execa(prefix[0]!, [...prefix.slice(1), ...dig], { env });
    expect(stdout).toMatch(/^0 \d+ 80 web\.dns-test\.svc\.cluster\.local\.$/);
  });
});

describe('pods', () => {
  beforeAll(async () => {
    await node.up();
    await importBusybox(node.containerdSocket);
    const loaded = await cli(['image', 'load', '--name', node.name, await glibcArchive()]);
    expect(loaded.exitCode).toBe(0);
    const labels = { app: 'db' };
    const headless = { clusterIP: 'None', selector: labels, ports: [{ name: 'pg', port: 5432 }] };
    await node.apply(
      { apiVersion: 'v1', kind: 'Service', metadata: { name: 'db' }, spec: headless },
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'starting' },
        spec: { ...headless, selector: { app: 'starting' }, publishNotReadyAddresses: true },
      },
      {
        apiVersion: 'apps/v1',
        kind: 'StatefulSet',
        metadata: { name: 'db' },
        spec: {
          serviceName: 'db',
          replicas: 2,
          podManagementPolicy: 'Parallel',
          selector: { matchLabels: labels },
          template: {
            metadata: { labels },
            spec: {
              terminationGracePeriodSeconds: 0,
              containers: [{ name: 'db', image: busyboxImage, imagePullPolicy: 'Never', command: idle }],
            },
          },
        },
      },
      { apiVersion: 'v1', kind: 'Pod', ...pod('busybox', busyboxImage, idle) },
      { apiVersion: 'v1', kind: 'Pod', ...pod('glibc', glibcImage, idle) },
      unready(),
    );
    await node.kubectl('rollout', 'status', 'statefulset/db', '--timeout=120s');
    const ready = ['wait', '--for=condition=Ready', '--timeout=120s'];
    await node.kubectl(...ready, 'pod/busybox', 'pod/glibc');
  });

  afterAll(async () => node.run('down'));

  /** A pod that never becomes ready. */
  function unready(): object {
    const { metadata, spec } = pod('starting', busyboxImage, idle, { app: 'starting' });
    const readinessProbe = { exec: { command: ['false'] } };
    const containers = spec.containers.map((container) => ({ ...container, readinessProbe }));
    return { apiVersion: 'v1', kind: 'Pod', metadata, spec: { ...spec, containers } };
  }

  const ipOf = async (name: string): Promise<string> =>
    node.kubectl('get', 'pod', name, '-o', 'jsonpath={.status.podIP}');

  it("busybox' resolver finds the pods of a StatefulSet by their names", async () => {
    const name = 'db-0.db.default.svc.cluster.local';
    expect(await exec('busybox', 'busybox', 'nslookup', '-type=a', name)).toContain(await ipOf('db-0'));
  });

  it('glibc finds them by their short names, and their names by their addresses', async () => {
    const ip = await ipOf('db-1');
    expect(await exec('glibc', 'getent', 'ahostsv4', 'db-1.db')).toContain(ip);
    expect(await exec('glibc', 'getent', 'hosts', ip)).toContain('db-1.db.default.svc.cluster.local');
    expect(await exec('glibc', 'getent', 'ahostsv4', 'kubernetes')).toContain('10.0.0.1');
  });

  it('glibc does not wait for a name outside the cluster', async () => {
    const startedAt = performance.now();
    await expect(exec('glibc', 'getent', 'ahostsv4', 'www.example.com')).rejects.toThrow('exited with 2');
    expect(performance.now() - startedAt).toBeLessThan(4000);
  });

  it('names resolve again when the server was killed', async () => {
    await node.killInside((await node.status()).get('dns')?.pid ?? 0);
    await node.run('status', '--wait', '--timeout', '60s');
    expect((await node.status()).get('dns')?.restarts).toBe(1);
    expect(await exec('glibc', 'getent', 'ahostsv4', 'kubernetes')).toContain('10.0.0.1');
  });

  it('a Service with publishNotReadyAddresses has the addresses of pods that are not ready', async () => {
    const name = 'starting.default.svc.cluster.local';
    expect(await exec('busybox', 'busybox', 'nslookup', '-type=a', name)).toContain(await ipOf('starting'));
  });
});

describe('the Service kube-dns', () => {
  const kubeDns = ['--namespace', 'kube-system', 'get', 'service/kube-dns', '--ignore-not-found', '-o'];
  it('is removed with "dns: none", and the smoke test says that there is no DNS', async () => {
    await node.up(...(await configWith('none')));
    expect(await node.kubectl(...kubeDns, 'name')).toBe('');
    const slices = await node.kubectl('--namespace', 'kube-system', 'get', 'endpointslices', '-o', 'name');
    expect(slices).toBe('');
    expect((await node.status()).has('dns')).toBe(false);
    const { stdout } = await cli(node.args('smoke', '--only', 'dns', '--output', 'json'));
    expect(stdout).toContain('DNS is not installed');
  });

  it('of another DNS is left alone by default, and refused by "dns: embedded"', async () => {
    const selector = { 'k8s-app': 'kube-dns' };
    await node.apply({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'kube-dns', namespace: 'kube-system', labels: selector },
      spec: { clusterIP: '10.0.0.10', selector, ports: [{ name: 'dns', protocol: 'UDP', port: 53 }] },
    });
    await node.run('down');
    await node.up();
    expect(await node.kubectl(...kubeDns, 'jsonpath={.spec.selector}')).toBe(JSON.stringify(selector));
    await node.run('down');
    const refused = await cli(
      node.args('up', '--detach', '--output', 'plain', ...(await configWith('embedded'))),
      { all: true },
    );
    expect(refused.exitCode).toBe(4);
    expect(refused.all).toMatch(
      /dns +restarting in [\d.]+ s: kube-system has a Service kube-dns of another DNS/,
    );
    const status = await cli(node.args('status'), { all: true });
    expect(String(status.all)).toContain('kube-system has a Service kube-dns of another DNS');
  });
});
