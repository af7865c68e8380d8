import { existsSync } from 'node:fs';
import { chown, cp, mkdir, readdir, readFile, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, it, onTestFinished, test } from 'vitest';
import { openData } from '../../src/kubernetes/dataUpgrade.ts';
import { recordDataVersions } from '../../src/kubernetes/dataVersions.ts';
import { purge } from '../../src/instance/purge.ts';
import { tempDir } from '../support/cli.ts';

const old = { 'kube-apiserver': '1.20.2', etcd: '3.4.23' };
const next = { 'kube-apiserver': '1.21.3', etcd: '3.5.16' };
const never = new AbortController().signal;
const options = { minFreeMiB: 0, signal: never };

/** A data folder with a cluster that the old versions have run. */
async function usedData(): Promise<string> {
  const data = await tempDir('upgrade');
  for (const folder of ['snap', 'wal']) await mkdir(join(data, 'etcd/member', folder), { recursive: true });
  await writeFile(join(data, 'etcd/member/snap/db'), 'old', { mode: 0o600 });
  await writeFile(join(data, 'etcd/member/wal/0.wal'), 'log', { mode: 0o600 });
  recordDataVersions(data, old);
  return data;
}

const open = async (dataDir: string, versions = next) =>
  openData({ name: 'default', dataDir }, versions, options);

async function database(data: string): Promise<string> {
  return readFile(join(data, 'etcd/member/snap/db'), 'utf8');
}

async function recorded(data: string): Promise<unknown> {
  return JSON.parse(await readFile(join(data, 'versions.json'), 'utf8'));
}

/** What the new version does to the data. */
async function migrate(data: string): Promise<void> {
  await writeFile(join(data, 'etcd/member/snap/db'), 'new');
}

describe('an upgrade to the next minor version', () => {
  it('is recorded, and its copy removed, when it is complete', async () => {
    const data = await usedData();
    const { upgrade } = await open(data);
    expect(upgrade?.description).toBe('Kubernetes 1.20.2 to 1.21.3 and etcd 3.4.23 to 3.5.16');
    expect(upgrade?.from).toEqual(old);
    expect(await recorded(data)).toEqual(old);
    await migrate(data);
    await upgrade?.complete();
    expect(upgrade?.isBegun).toBe(false);
    await upgrade?.complete();
    expect(await upgrade?.undo()).toBe(false);
    expect(await recorded(data)).toEqual(next);
    expect(await database(data)).toBe('new');
    expect((await readdir(data)).toSorted()).toEqual(['etcd', 'versions.json']);
  });

  it('puts everything back when it is undone', async () => {
    const data = await usedData();
    await chown(join(data, 'etcd/member/wal'), 12, 34);
    const { upgrade } = await open(data);
    await migrate(data);
    expect(await upgrade?.undo()).toBe(true);
    expect(await recorded(data)).toEqual(old);
    expect(await database(data)).toBe('old');
    const { mode } = await stat(join(data, 'etcd/member/snap/db'));
    expect(mode & 0o777).toBe(0o600);
    expect(await stat(join(data, 'etcd/member/wal'))).toMatchObject({ uid: 12, gid: 34 });
    expect((await readdir(data)).toSorted()).toEqual(['etcd', 'versions.json']);
  });

  it('copies a write-ahead log that is on another disk', async () => {
    const data = await usedData();
    const disk = await tempDir('upgrade-disk');
    await cp(join(data, 'etcd/member/wal'), disk, { recursive: true });
    await execa('rm', ['-r', join(data, 'etcd/member/wal')]);
    await symlink(disk, join(data, 'etcd/member/wal'));
    const { upgrade } = await open(data);
    await writeFile(join(disk, '0.wal'), 'new');
    await upgrade?.undo();
    expect(await readFile(join(data, 'etcd/member/wal/0.wal'), 'utf8')).toBe('log');
  });

  it('puts the data back onto a disk that is mounted for etcd', async () => {
    const data = await usedData();
    const etcd = join(data, 'etcd');
    await cp(etcd, join(data, 'kept'), { recursive: true });
    await execa('mount', ['--no-mtab', '-t', 'tmpfs', 'upgrade-test', etcd]);
    onTestFinished(async () => void (await execa('umount', ['--no-mtab', etcd])));
    await cp(join(data, 'kept'), etcd, { recursive: true });
    const { upgrade } = await open(data);
    await migrate(data);
    await upgrade?.undo();
    expect(await database(data)).toBe('old');
    expect(await readdir(etcd)).toEqual(['member']);
  });

  it('is removed with the node', async () => {
    const data = await usedData();
    await open(data);
    await mkdir(join(data, 'upgrade.tmp'));
    expect(await purge(data)).toEqual([]);
    expect(existsSync(data)).toBe(false);
  });
});

test.each([
  ['the same versions', old],
  ['another patch', { 'kube-apiserver': '1.20.15', etcd: '3.4.45' }],
])('%s need no copy', async (_what, versions) => {
  const data = await usedData();
  expect(await open(data, versions)).toEqual({});
  expect(existsSync(join(data, 'upgrade'))).toBe(false);
});

test('without room for the copy it is refused with the numbers, and nothing is changed', async () => {
  const data = await usedData();
  // A file without content, in which no disk has so much room.
  await truncate(join(data, 'etcd/member/snap/db'), 8 * 2 ** 40);
  await expect(open(data)).rejects.toMatchObject({
    code: 'preflight',
    message: expect.stringMatching(/no room for a copy of etcd's data.* takes 8\.0 TiB, and .* free for /),
    hint: expect.stringContaining('nothing was changed'),
  });
  const must = { minFreeMiB: 2 ** 23, signal: never };
  await truncate(join(data, 'etcd/member/snap/db'), 3);
  await expect(openData({ name: 'default', dataDir: data }, next, must)).rejects.toMatchObject({
    message: expect.stringContaining('of which 8.0 TiB must stay free'),
  });
  expect((await readdir(data)).toSorted()).toEqual(['etcd', 'versions.json']);
  expect(await recorded(data)).toEqual(old);
});

test('a signal ends the copy, and nothing is left of it', async () => {
  const data = await usedData();
  const reason = new Error('interrupted');
  const signal = AbortSignal.abort(reason);
  const node = { name: 'default', dataDir: data };
  await expect(openData(node, next, { minFreeMiB: 0, signal })).rejects.toBe(reason);
  expect((await readdir(data)).toSorted()).toEqual(['etcd', 'versions.json']);
});

test("a user's own folder of that name stays", async () => {
  const data = await usedData();
  await mkdir(join(data, 'upgrade'));
  await writeFile(join(data, 'upgrade/mine'), '');
  expect(await open(data, old)).toEqual({});
  expect(existsSync(join(data, 'upgrade/mine'))).toBe(true);
});

const fixture = join(import.meta.dirname, '../fixtures/kubernetes/upgradeData.mjs');
const dist = join(import.meta.dirname, '../../dist');

/** Upgrades the data in a process that is killed at that call of the file system. Resolves with its output. */
async function upgradeUntil(data: string, end: 'complete' | 'undo', call: number): Promise<string> {
  const { stdout, signal, stderr } = await execa(process.execPath, [fixture, dist, data, end, `${call}`], {
    reject: false,
  });
  if (signal === undefined && stdout === '') throw new Error(stderr);
  return stdout;
}

describe.each(['complete', 'undo'] as const)('killed at any step on the way to %s', (end) => {
  it('leaves data of which the next start makes the old state or the new one, as recorded', async () => {
    const seen = new Set<string>();
    let interruptions = 0;
    for (let call = 1; ; call += 1) {
      const data = await usedData();
      const output = await upgradeUntil(data, end, call);
      const isWhole = output !== '';
      // The old version after every other interruption, the new one after the others: each may come next.
      const isNew = async () => JSON.stringify(await recorded(data)) === JSON.stringify(next);
      const versions = (await isNew()) || call % 2 === 0 ? next : old;
      const { upgrade, undone } = await open(data, versions);
      const state = (await isNew()) ? 'new' : 'old';
      expect(await database(data), `call ${call}`).toBe(state);
      expect(await readdir(join(data, 'etcd'))).toEqual(['member']);
      if (state === 'old') expect(await readFile(join(data, 'etcd/member/wal/0.wal'), 'utf8')).toBe('log');
      if (undone !== undefined) interruptions += 1;
      expect(upgrade === undefined).toBe(versions === old || state === 'new');
      await upgrade?.undo();
      expect(
        (await readdir(data)).filter((name) => !name.endsWith('.tmp') || name === 'upgrade.tmp').toSorted(),
      ).toEqual(['etcd', 'versions.json']);
      seen.add(state);
      if (isWhole) break;
    }
    expect([...seen].toSorted()).toEqual(end === 'complete' ? ['new', 'old'] : ['old']);
    expect(interruptions).toBeGreaterThan(3);
  }, 120_000);
});

test('a damaged plan is named, and neither state is assumed', async () => {
  const data = await usedData();
  await open(data);
  await migrate(data);
  await writeFile(join(data, 'upgrade/plan.json'), '{"descr');
  await expect(open(data)).rejects.toMatchObject({
    code: 'preflight',
    message: expect.stringContaining(join(data, 'upgrade/plan.json')) as string,
  });
  expect(await database(data)).toBe('new');
  expect(await readFile(join(data, 'upgrade/member/snap/db'), 'utf8')).toBe('old');
});
