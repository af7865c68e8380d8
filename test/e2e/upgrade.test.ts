import { existsSync } from 'node:fs';
import { chmod, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { killNodeCgroup } from '../../src/host/cgroup/nodeCgroup.ts';
import { cli, tempDir } from '../support/cli.ts';
import { TestNode } from '../support/testNode.ts';

// Only one version of Kubernetes is on this machine. What is staged: a record that says that 1.19 ran last. All else is real:
// the copy of a real etcd's data, the boot, the checks, their failure, and the power cut.

const node = new TestNode('e2e-upgrade');
const recordFile = join(node.dataDir, 'versions.json');

async function recorded(): Promise<Record<string, string>> {
  return JSON.parse(await readFile(recordFile, 'utf8'));
}

let real: Record<string, string>;

/** Makes the data one of the minor version before. */
async function stageOlderVersion(): Promise<void> {
  await writeFile(recordFile, JSON.stringify({ ...real, 'kube-apiserver': '1.19.16' }));
}

async function upWith(...args: string[]) {
  return cli(node.args('up', '--detach', '--output', 'plain', ...args), { all: true });
}

async function configMaps(): Promise<string> {
  return node.kubectl('get', 'configmaps', '-o', 'name');
}

async function create(name: string): Promise<void> {
  await node.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } });
}

beforeAll(async () => {
  await node.up();
  await create('before');
  real = await recorded();
  await node.run('down');
});

afterAll(async () => node.remove());

describe('data of the minor version before', () => {
  it('is upgraded, checked and recorded, and nothing of it is left', async () => {
    await stageOlderVersion();
    const { exitCode, all } = await upWith();
    expect(exitCode, String(all)).toBe(0);
    expect((await node.status()).get('upgrade-check')).toMatchObject({ state: 'ready' });
    const log = await readFile(join(node.dataDir, 'log/upgrade-check.log'), 'utf8');
    for (const check of ['node', 'pod', 'logs', 'exec', 'service', 'namespace'])
      expect(log).toContain(`check ${check}: passed`);
    expect(await recorded()).toEqual(real);
    expect(await configMaps()).toContain('configmap/before');
    expect(await node.kubectl('get', 'namespaces', '-o', 'name')).not.toContain('smoke');
    await node.run('restart', '--cascade', 'apiserver');
    expect((await node.status()).get('upgrade-check')).toMatchObject({ state: 'ready' });
    expect((await readdir(node.dataDir)).filter((name) => name.startsWith('upgrade'))).toEqual([]);
    await node.run('down');
    // An ordinary start has no such check.
    await node.up();
    expect((await node.status()).has('upgrade-check')).toBe(false);
    await node.run('down');
  });

  it('is put back when a component of the new version does not run', async () => {
    await stageOlderVersion();
    const dir = await tempDir('e2e-upgrade');
    const config = join(dir, 'broken.yaml');
    await writeFile(config, 'components: { scheduler: { args: [--no-such-flag] } }\n');
    const database = await readFile(join(node.dataDir, 'etcd/member/snap/db'));
    const { exitCode, all } = await upWith('--config', config);
    expect(exitCode).toBe(5);
    expect(String(all)).toMatch(
      /the upgrade of Kubernetes 1\.19\.16 to \S+ failed, and the data is as before: scheduler cannot run: /,
    );
    expect(String(all)).toMatch(/run what ran before \(Kubernetes 1\.19\.16, .*up .*--kubernetes 1\.19/);
    expect((await recorded())['kube-apiserver']).toBe('1.19.16');
    const after = await readFile(join(node.dataDir, 'etcd/member/snap/db'));
    expect(after.equals(database)).toBe(true);
    expect(existsSync(join(node.dataDir, 'upgrade'))).toBe(false);
  });

  it('is put back when a check fails, with the reason', async () => {
    await stageOlderVersion();
    // Everything becomes ready, but no pod gets a network.
    const dir = await tempDir('e2e-upgrade');
    for (const name of ['host-local', 'loopback', 'portmap', 'bridge']) {
      await writeFile(
        join(dir, name),
        '#!/bin/sh\n[ "$CNI_COMMAND" ] && { echo broken; exit 1; }\necho CNI x plugin v1.0.0\n',
      );
      await chmod(join(dir, name), 0o755);
    }
    const { exitCode, all } = await upWith('--bin-dir', dir);
    expect(exitCode, String(all)).toBe(7);
    expect(String(all)).toMatch(
      /failed, and the data is as before: check (?:pod|exec): the pod: waiting: ContainerCreating/,
    );
    expect(await node.run('logs', 'upgrade-check', '--data-dir', node.dataDir)).toContain('failed');
    expect((await recorded())['kube-apiserver']).toBe('1.19.16');
  }, 300_000);

  it('is put back by the next start after a power cut', async () => {
    await stageOlderVersion();
    const boot = upWith();
    // In the middle of the boot: the new version has written to the data already.
    await expect
      .poll(() => existsSync(join(node.dataDir, 'upgrade/plan.json')), { timeout: 60_000 })
      .toBe(true);
    const log = join(node.dataDir, 'log/apiserver.log');
    await rm(log, { force: true });
    await expect.poll(() => existsSync(log), { timeout: 60_000 }).toBe(true);
    await killNodeCgroup(node.name);
    expect((await boot).exitCode).not.toBe(0);
    expect((await recorded())['kube-apiserver']).toBe('1.19.16');
    expect(existsSync(join(node.dataDir, 'upgrade/member'))).toBe(true);

    const { exitCode, all } = await upWith();
    expect(exitCode, String(all)).toBe(0);
    expect(await recorded()).toEqual(real);
    expect(await configMaps()).toContain('configmap/before');
    expect(existsSync(join(node.dataDir, 'upgrade'))).toBe(false);
    const supervisor = await readFile(join(node.dataDir, 'log/supervisor.log'), 'utf8');
    expect(supervisor).toMatch(
      /the upgrade of Kubernetes 1\.19\.16 to \S+ was interrupted .* the data is as before/,
    );
    await node.run('down');
  });

  it('is put back when the node is stopped before it is checked', async () => {
    await stageOlderVersion();
    const boot = upWith();
    await expect
      .poll(() => existsSync(join(node.dataDir, 'upgrade/plan.json')), { timeout: 60_000 })
      .toBe(true);
    await node.run('down');
    const { all } = await boot;
    expect(String(all)).toContain('stopped before the upgrade was checked: the data is as before');
    expect((await recorded())['kube-apiserver']).toBe('1.19.16');
    expect(existsSync(join(node.dataDir, 'upgrade'))).toBe(false);
  });
});

describe('upgrade', () => {
  it('boots, checks and stops the version, and refuses a running node', async () => {
    await stageOlderVersion();
    const args = ['upgrade', '--name', node.name, '--data-dir', node.dataDir, '--output', 'plain', '--to'];
    const { exitCode, all } = await cli([...args, '1.20'], { all: true });
    expect(exitCode, String(all)).toBe(0);
    expect(String(all)).toMatch(/upgrade to Kubernetes 1\.20\.\d+\n/);
    expect(String(all)).toMatch(/start it: k8s-single up --name e2e-upgrade .*--kubernetes 1\.20/);
    expect(await recorded()).toEqual(real);

    await node.up();
    onTestFinished(async () => void (await node.run('down')));
    const refused = await cli([...args, '1.21'], { all: true });
    expect(refused.exitCode).toBe(3);
    expect(String(refused.all)).toMatch(
      /is running: .*\n\s+stop it first: k8s-single down --name e2e-upgrade/,
    );
  });

  it('stops at the version that fails, with its exit code and the data of the last good one', async () => {
    await stageOlderVersion();
    const dir = await tempDir('e2e-upgrade');
    const config = join(dir, 'broken.yaml');
    await writeFile(config, 'components: { scheduler: { args: [--no-such-flag] } }\n');
    const args = ['upgrade', '--name', node.name, '--data-dir', node.dataDir, '--output', 'plain'];
    const { exitCode, all } = await cli([...args, '--config', config, '--to', '1.20'], { all: true });
    expect(exitCode).toBe(5);
    expect(String(all)).toMatch(/the upgrade stopped at Kubernetes 1\.20\.\d+: the data is of 1\.19\.16/);
    expect(String(all)).toMatch(/go on: k8s-single upgrade --name e2e-upgrade .* --to 1\.20/);
    expect((await recorded())['kube-apiserver']).toBe('1.19.16');
  });
});
