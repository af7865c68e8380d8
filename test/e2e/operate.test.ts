import { createPrivateKey, X509Certificate } from 'node:crypto';
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Unhealthy } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import { client } from '../../src/control/client.ts';
import { readNodeFile } from '../../src/instance/nodeFile.ts';
import { ensureAuthority } from '../../src/kubernetes/pki/authority.ts';
import { dueCertificates } from '../../src/kubernetes/pki/expiry.ts';
import { authorityNames, etcdLeaves, leaves } from '../../src/kubernetes/pki/leaves.ts';
import { pkiPaths } from '../../src/kubernetes/pki/paths.ts';
import { signLeaf } from '../../src/kubernetes/pki/sign.ts';
import { nodePaths } from '../../src/lib/paths.ts';
import { cli, main } from '../support/cli.ts';
import { nodeServices, TestNode } from '../support/testNode.ts';

const node = new TestNode('e2e-operate');

const addon = join(node.dataDir, 'addons/web.yaml');
/** A Deployment of the image that every node has, or of another one. */
const web = (image = 'k8s-single.local/pause:1'): string => `apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  strategy: { type: Recreate }
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{ name: main, image: '${image}', imagePullPolicy: Never }]
`;

beforeAll(async () => {
  await node.remove();
  await mkdir(dirname(addon), { recursive: true });
  await writeFile(addon, web());
  await node.up();
});

afterAll(async () => node.remove());

/** The number of restarts of each service. */
async function restarts(): Promise<Record<string, number>> {
  const status = await node.status();
  return Object.fromEntries(nodeServices.map((name) => [name, status.get(name)!.restarts]));
}

describe('a running node', () => {
  it('is healthy', async () => {
    expect(await node.run('healthcheck')).toBe('ready');
  });

  it('applies the files of the folder for addons again when they change, and removes what they have made', async () => {
    const timing = { timeoutMs: 60_000, attemptTimeoutMs: 20_000, maxPeriodMs: 1000 };
    const becomes = async (name: string, expected: RegExp): Promise<void> =>
      until(
        async () => {
          const { state, reason } = (await node.status()).get(name)!;
          if (!expected.test(`${state} ${reason}`)) throw new Unhealthy(`${name}: ${state} ${reason}`);
        },
        timing,
        new AbortController().signal,
      );
    await becomes('addon-web', /^ready/);
    await writeFile(addon, web('k8s-single.local/none:1'));
    await becomes(
      'addon-web',
      /^(?:down|starting) waiting for Deployment default\/web: 0 of 1 available: ErrImageNeverPull: /,
    );
    // The node is ready all the same.
    expect(await node.run('healthcheck')).toBe('ready');
    await rm(addon);
    const isGone = async (): Promise<void> => {
      const left = await node.kubectl('get', 'deployments', '--output', 'name');
      if (left !== '') throw new Unhealthy(left);
    };
    await until(isGone, timing, new AbortController().signal);
    await becomes('addons', /^ready/);
  });

  it('shows the logs of all components, follows them, and selects them by time', async () => {
    const lines = (await node.run('logs', '--tail', '50')).split('\n');
    const sources = new Set(lines.map((line) => line.split('|')[0]!.trim()));
    expect([...sources]).toEqual(expect.arrayContaining([...nodeServices]));
    const etcdLog = await node.run('logs', 'etcd', '--since', '10m');
    expect(etcdLog).toContain('ready to serve client requests');
    expect(await node.run('logs', '--since', '0', '--tail', '0')).toBe('');
    const follower = execa(process.execPath, [main, ...node.args('logs', 'kubelet', '--tail', '1', '-f')]);
    const followed = createInterface({ input: follower.stdout })[Symbol.asyncIterator]();
    expect((await followed.next()).done).toBe(false);
    await node.run('restart', 'kubelet');
    expect((await followed.next()).done).toBe(false);
    follower.kill('SIGINT');
    expect((await follower).exitCode).toBe(0);
  });

  it('restarts one component without its dependents', async () => {
    const before = await restarts();
    await node.run('restart', 'etcd');
    expect((await node.status()).get('etcd')!.state).toBe('ready');
    await node.run('status', '--wait', '--timeout', '120s');
    expect(await restarts()).toEqual({ ...before, etcd: before['etcd']! + 1 });
    expect(await node.kubectl('get', 'nodes', '--no-headers')).toMatch(/ Ready /);
  });

  it('restarts one component with its dependents, and becomes ready again', async () => {
    const before = await restarts();
    await node.run('restart', 'apiserver', '--cascade');
    const after = await restarts();
    for (const name of ['etcd', 'containerd', 'kubelet']) expect(after[name], name).toBe(before[name]);
    for (const name of ['apiserver', 'controller-manager', 'scheduler'])
      expect(after[name], name).toBe(before[name]! + 1);
    await node.run('status', '--wait', '--timeout', '120s');
    expect(await node.kubectl('get', 'nodes', '--no-headers')).toMatch(/ Ready /);
  });

  it('is unhealthy while a component is stopped', async () => {
    await node.run('stop', 'scheduler');
    const { exitCode, stdout } = await cli(node.args('healthcheck'));
    expect([exitCode, stdout]).toEqual([1, expect.stringContaining('scheduler stopped')]);
    await node.run('start', 'scheduler');
    await node.run('healthcheck');
  });

  it('shows the timeline and the critical path of its boot', async () => {
    const text = await node.run('timeline');
    for (const name of nodeServices) expect(text).toMatch(new RegExp(`^${name} .*█`, 'm'));
    expect(text).toMatch(/critical path, in s: .*apiserver [\d.]+/);
    expect(await node.run('timeline', '--output', 'svg')).toMatch(/^<svg .*Ready in/s);
  });

  it('creates a report without private keys, tokens and certificates', async () => {
    const folder = join(node.dataDir, 'unpacked');
    const archive = join(node.dataDir, 'report.tar.gz');
    expect(await node.run('report', '--output', archive)).toBe(archive);
    await mkdir(folder);
    await execa('tar', ['--extract', '--gzip', '--file', archive, '--directory', folder]);
    const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((each) =>
      each.isFile(),
    );
    const texts = await Promise.all(
      files.map(async (file) => readFile(join(file.parentPath, file.name), 'utf8')),
    );
    const all = texts.join('\n');
    for (const name of nodeServices) expect(files.map((each) => each.name)).toContain(`${name}.log`);
    expect(all).toContain('"kube-apiserver": "');
    expect(all).toMatch(/^default +service\/kubernetes/m);
    const pki = join(node.dataDir, 'pki');
    const keys = (await readdir(pki)).filter((name) => name.endsWith('.key'));
    expect(keys.length).toBeGreaterThan(5);
    for (const name of keys) {
      const [, ...lines] = (await readFile(join(pki, name), 'utf8')).trim().split('\n');
      for (const line of lines.slice(0, -1)) expect(all).not.toContain(line);
    }
    const [secret] = JSON.parse(await node.kubectl('get', 'secrets', '-A', '-o', 'json')).items.filter(
      (each: { type: string }) => each.type === 'kubernetes.io/service-account-token',
    ) as { data: { token: string } }[];
    expect(all).not.toMatch(/-----BEGIN [A-Z ]*PRIVATE KEY|\beyJ[\w-]+\.eyJ/);
    if (secret !== undefined) expect(all).not.toContain(Buffer.from(secret.data.token, 'base64').toString());
    await rm(folder, { recursive: true });
  });

  it('renews certificates that are about to end, and restarts their users one at a time', async () => {
    const before = Date.now();
    await endSoon();
    const control = client(nodePaths(node.name, node.dataDir).controlSocket);
    const events = async () => (await control.history()).filter(({ at }) => at > before);
    const users = nodeServices.filter((name) => name !== 'containerd');
    const restarted = async (): Promise<void> => {
      const ready = new Set((await events()).flatMap((e) => (e.type === 'ready' ? [e.component] : [])));
      const left = users.filter((name) => !ready.has(name));
      if (left.length > 0) throw new Unhealthy(`not restarted: ${left.join(', ')}`);
    };
    await until(restarted, { timeoutMs: 150_000, maxPeriodMs: 1000 }, new AbortController().signal);
    await until(
      async () => {
        const { exitCode, stdout } = await cli(node.args('healthcheck'));
        if (exitCode !== 0) throw new Unhealthy(String(stdout));
      },
      { timeoutMs: 30_000, maxPeriodMs: 500 },
      new AbortController().signal,
    );
    expect(dueCertificates(join(node.dataDir, 'pki'))).toEqual([]);
    const all = await events();
    expect(all.some(({ component }) => component === 'containerd')).toBe(false);
    // Each once.
    const starts = all.flatMap((e) => (e.type === 'starting' ? [e.component] : []));
    expect(starts.filter((name) => users.includes(name)).toSorted()).toEqual(users.toSorted());
    // One at a time: of two that do not depend on each other, the second stops when the first is ready.
    const [scheduler, kubelet] = ['scheduler', 'kubelet'].map((name) =>
      all.filter((e) => e.component === name),
    );
    const at = (list: typeof all | undefined, type: string) =>
      list?.find((e) => e.type === type)?.at ?? Number.NaN;
    const [first, second] = [scheduler, kubelet].toSorted((a, b) => at(a, 'stopping') - at(b, 'stopping'));
    expect(at(second, 'stopping')).toBeGreaterThanOrEqual(at(first, 'ready'));
    expect(await node.run('logs', '--data-dir', node.dataDir, 'supervisor')).toContain(
      'certificates renewed: ',
    );
  });

  it('replaces its CAs while it runs, and refuses the old ones then', async () => {
    const old = join(node.dataDir, 'old.conf');
    await copyFile(join(node.dataDir, 'kubeconfig/admin.conf'), old);
    const { fingerprint256 } = new X509Certificate(await readFile(join(node.dataDir, 'pki/ca.crt')));
    const { exitCode, all } = await cli(['certs', 'rotate-ca', '--name', node.name], { all: true });
    expect([exitCode, all]).toEqual([0, expect.any(String)]);
    const steps = String(all)
      .split('\n')
      .slice(0, 4)
      .map((line) => line.replace(/^.* s {2}/, ''));
    expect(steps).toEqual([
      'the new CAs are trusted beside the old ones',
      'the new CAs sign all certificates',
      'the old CAs are no longer trusted',
      'every component has the new CAs alone',
    ]);
    expect(await node.run('healthcheck')).toBe('ready');
    const bundle = await readFile(join(node.dataDir, 'pki/ca.crt'), 'utf8');
    expect(bundle.match(/BEGIN/g)).toHaveLength(1);
    expect(new X509Certificate(bundle).fingerprint256).not.toBe(fingerprint256);
    // The API server and the kubelet trust each other.
    const [name] = (await node.kubectl('get', 'nodes', '-o', 'name')).split('\n');
    expect(
      await node.kubectl('get', '--raw', `/api/v1/${name?.replace('node', 'nodes')}/proxy/healthz`),
    ).toBe('ok');
    await expect(node.kubectl('get', 'nodes', '--kubeconfig', old)).rejects.toThrow(
      /x509: certificate signed by unknown/,
    );
    const trusting = ['--kubeconfig', old, '--insecure-skip-tls-verify'];
    await expect(node.kubectl('get', 'nodes', ...trusting)).rejects.toThrow(/Unauthorized|must be logged in/);
  });
});

/** Signs all certificates again as if that was nearly a year ago: they end in a minute and a half. */
async function endSoon(): Promise<void> {
  const pki = pkiPaths(join(node.dataDir, 'pki'));
  const { ip } = await readNodeFile(node.name);
  const identity = {
    nodeName: 'k8s-single',
    nodeIp: ip,
    serviceIp: '10.0.0.1',
    clusterDomain: 'cluster.local',
  };
  const signedAt = new Date(Date.now() - 365 * 24 * 3_600_000 + 90_000);
  for (const leaf of [...leaves(identity), ...etcdLeaves]) {
    const authority = await ensureAuthority(pki[leaf.issuer], authorityNames[leaf.issuer], new Date());
    const { cert, key } = pki[leaf.name];
    await writeFile(cert, await signLeaf(leaf, createPrivateKey(await readFile(key)), authority, signedAt));
  }
}

describe('a node that failed', () => {
  it('reports which stage blocked and why, and still has logs, a timeline and a report', async () => {
    await node.run('down');
    // Make the boot fail at etcd: its data folder becomes a file.
    await rm(join(node.dataDir, 'etcd'), { recursive: true });
    await execa('touch', [join(node.dataDir, 'etcd')]);
    const up = await cli(node.args('up', '--detach', '--output', 'plain', '--timeout', '10s'), { all: true });
    expect(up.exitCode).toBe(5);
    const { stages } = JSON.parse(await readFile(join(node.dataDir, 'failure.json'), 'utf8')) as {
      stages: { component: string; waiting: string[]; command: string }[];
    };
    expect(stages[0]).toMatchObject({
      component: 'etcd',
      waiting: expect.arrayContaining(['apiserver', 'controller-manager', 'node']),
      command: expect.stringContaining('--data-dir'),
    });
    expect(up.all).toContain(stages[0]!.command);
    const dataDir = ['--data-dir', node.dataDir];
    expect(await node.run('logs', ...dataDir, 'etcd')).toContain('error listing data dir');
    expect(await node.run('timeline', ...dataDir)).toMatch(/^etcd .*[█✗]/m);
    expect(await node.run('report', ...dataDir, '--output', join(node.dataDir, 'r.tgz'))).toContain('r.tgz');
  });
});
