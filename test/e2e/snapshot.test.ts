import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Unhealthy } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import { cli, tempDir } from '../support/cli.ts';
import { TestNode } from '../support/testNode.ts';

const node = new TestNode('e2e-snapshot');
const other = new TestNode('e2e-snapshot-2');
const never = new AbortController().signal;
const base = mkdtempSync('/var/tmp/k8s-single-e2e-snapshot-');
const snapshots = join(base, 'snapshots', node.name);

/** `--data-dir` is for nodes that are down, and may always be given. */
async function snapshot(of: TestNode, command: string, ...more: string[]) {
  return cli(['snapshot', command, ...more, '--name', of.name, '--data-dir', of.dataDir], { all: true });
}

async function create(name: string): Promise<void> {
  await node.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } });
}

const configMaps = async (of = node): Promise<string[]> =>
  (await of.kubectl('get', 'configmaps', '-o', 'name'))
    .split('\n')
    .filter((name) => /before|after/.test(name));

const revision = async (): Promise<number> =>
  Number(JSON.parse(await node.kubectl('get', '--raw', '/api/v1/nodes')).metadata.resourceVersion);

beforeAll(async () => {
  await node.remove();
  const config = join(base, 'config.yaml');
  await writeFile(config, 'encryption: true\nsnapshots: { every: 1m, keep: 2, dir: snapshots }\n');
  await node.up('--config', config);
  await create('before');
});

afterAll(async () => {
  await other.remove();
  await node.remove();
  rmSync(base, { recursive: true });
});

describe('a snapshot of a node that is up', () => {
  it('is taken on schedule, and the node is ready without', async () => {
    const hasOne = async (): Promise<void> => {
      const names = await readdir(snapshots).catch(() => []);
      if (!names.some((name) => /^scheduled-[\d-]+\.snapshot\.gz$/.test(name)))
        throw new Unhealthy('none yet');
    };
    await until(hasOne, { timeoutMs: 60_000 }, never);
    expect((await node.status()).get('snapshots')).toMatchObject({ state: 'ready' });
    // The running node says where they are.
    expect(String((await snapshot(node, 'ls')).stdout)).toMatch(/^scheduled-\d{8}-\d{6} +\d{4}-.* UTC +\d/);
  });

  it('brings back the cluster while the node runs, with later revisions and the same clients', async () => {
    expect((await snapshot(node, 'save', 'one')).exitCode).toBe(0);
    expect((await snapshot(node, 'save', 'one')).all).toContain('there is a snapshot one already');
    const kubeconfig = await readFile(join(node.dataDir, 'kubeconfig/admin.conf'), 'utf8');
    await node.kubectl('delete', 'configmap', 'before');
    await create('after');
    // On the host: inside, the new one may have the same pid.
    const etcd = async (): Promise<number> => node.hostPid((await node.status()).get('etcd')!.pid!);
    const [before, pid] = [await revision(), await etcd()];

    const { exitCode, all } = await snapshot(node, 'restore', 'one');
    expect(exitCode, String(all)).toBe(0);
    expect(String(all)).toMatch(/restored \d+ objects of node e2e-snapshot, Kubernetes 1\.20\.2, as of 20/);
    expect(await configMaps()).toEqual(['configmap/before']);
    expect(await revision()).toBeGreaterThan(before);
    expect(await etcd()).not.toBe(pid);
    // As it was started before, from its config.
    expect((await node.status()).get('snapshots')).toMatchObject({ state: 'ready' });
    const authority = /certificate-authority-data: (.*)/;
    const now = await readFile(join(node.dataDir, 'kubeconfig/admin.conf'), 'utf8');
    expect(authority.exec(now)?.[1]).toBe(authority.exec(kubeconfig)?.[1]);
    const smoke = await cli(node.args('smoke', '--only', 'deployment,config-files,pod-to-api'), {
      all: true,
    });
    expect(smoke.exitCode, String(smoke.all)).toBe(0);
  });

  it('that is none is refused before the node is stopped', async () => {
    const { pid } = (await node.status()).get('etcd')!;
    const file = join(await tempDir('e2e-snapshot'), 'file');
    await writeFile(file, 'apiVersion: v1\n');
    for (const [source, message] of [
      [file, `${file} is no snapshot`],
      ['missing', 'there is no snapshot missing'],
    ] as const) {
      const { exitCode, all } = await snapshot(node, 'restore', source);
      expect([exitCode, String(all)]).toEqual([2, expect.stringContaining(message)]);
    }
    expect((await node.status()).get('etcd')?.pid).toBe(pid);
  });
});

describe('a snapshot of a node that is down', () => {
  it('starts a node of another name and address, encrypted on the way', async () => {
    await node.run('down');
    const dir = await tempDir('e2e-snapshot');
    const [file, passphrase] = [join(dir, 'file'), join(dir, 'passphrase')];
    await writeFile(passphrase, 'open sesame\n', { mode: 0o600 });
    const saved = await snapshot(node, 'save', '--output', file, '--passphrase-file', passphrase);
    expect([saved.exitCode, saved.stdout], String(saved.all)).toEqual([0, file]);
    const refused = await snapshot(other, 'restore', file);
    expect([refused.exitCode, String(refused.all)]).toEqual([2, expect.stringContaining('is encrypted')]);
    expect(existsSync(other.dataDir)).toBe(false);

    const { exitCode, all } = await snapshot(other, 'restore', file, '--passphrase-file', passphrase);
    expect(exitCode, String(all)).toBe(0);
    expect(String(all)).toContain('start it: k8s-single up --name e2e-snapshot-2 --data-dir');
    // Called otherwise there: what ran on the old one waits until that is said to be gone.
    const config = join(dir, 'other.yaml');
    await writeFile(config, 'nodeName: elsewhere\n');
    await other.up('--config', config);
    expect(await configMaps(other)).toEqual(['configmap/before']);
    expect((await other.kubectl('get', 'nodes', '-o', 'name')).trim().split('\n')).toEqual([
      'node/elsewhere',
      'node/k8s-single',
    ]);
    await other.kubectl('delete', 'node', 'k8s-single');
    const smoke = await cli(other.args('smoke', '--only', 'deployment,volume,pod-to-api'), { all: true });
    expect(smoke.exitCode, String(smoke.all)).toBe(0);
    await node.up();
    expect(await configMaps()).toEqual(['configmap/before']);
    const [a, b] = await Promise.all(
      [node, other].map(async ({ dataDir }) => readFile(join(dataDir, 'pki/ca.crt'), 'utf8')),
    );
    expect(a).toBe(b);
  });

  it('is removed by its name', async () => {
    const config = ['--config', join(base, 'config.yaml')];
    expect(String((await snapshot(node, 'rm', 'one', ...config)).stdout)).toBe('one');
    expect((await readdir(snapshots)).filter((name) => !name.startsWith('scheduled-'))).toEqual([]);
  });
});
