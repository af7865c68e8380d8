import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { execa } from 'execa';
import { describe, expect, it, test } from 'vitest';
import { listAt, textAt } from '../../../probes/transport/json.ts';
import { recordDataVersions } from '../../../src/kubernetes/dataVersions.ts';
import { etcdGateway, toBase64 } from '../../../src/kubernetes/etcdGateway.ts';
import { withEtcd } from '../../../src/kubernetes/snapshots/privateEtcd.ts';
import { completeRestore } from '../../../src/kubernetes/snapshots/completeRestore.ts';
import { restoreSnapshot } from '../../../src/kubernetes/snapshots/restore.ts';
import {
  checkSnapshot,
  openSnapshot,
  writeSnapshot,
} from '../../../src/kubernetes/snapshots/snapshotFile.ts';
import { nameByTime, storedSnapshots } from '../../../src/kubernetes/snapshots/store.ts';
import type { StoredSnapshot } from '../../../src/kubernetes/snapshots/store.ts';
import { planOf } from '../../../src/kubernetes/components/snapshots.ts';
import { moveTree } from '../../../src/lib/tree.ts';
import { snapshotLines } from '../../../src/kubernetes/snapshots/snapshotLines.ts';
import { tempDir } from '../../support/cli.ts';
import { testBinaries } from '../../support/installBinaries.ts';

const never = new AbortController().signal;
const versions = { 'kube-apiserver': '1.20.2', etcd: '3.4.23' };

async function etcdProgram() {
  const { etcd: file } = await testBinaries('etcd');
  return { file, env: { PATH: process.env['PATH'] ?? '', ETCD_UNSUPPORTED_ARCH: 'arm64' } };
}

/** A data folder with a real etcd's data: objects of Kubernetes, one that expires, and a key of somebody else. */
async function dataWith(objects: Readonly<Record<string, Buffer>>): Promise<string> {
  const data = await tempDir('snapshot');
  recordDataVersions(data, versions);
  await withEtcd(await etcdProgram(), join(data, 'etcd'), never, async (etcd) => {
    const post = etcdGateway(etcd);
    const put = async (key: string, value: Buffer, more = {}) =>
      post('kv/put', { key: toBase64(key), value: value.toString('base64'), ...more }, never);
    for (const [key, value] of Object.entries(objects)) await put(key, value);
    const lease = textAt(await post('lease/grant', { TTL: '3600' }, never), 'ID');
    await put('/registry/events/default/one', Buffer.from('expires'), { lease });
    await put('compact_rev_key', Buffer.from('7'));
  });
  return data;
}

/** All that a real etcd reads from this data, and its revision. */
async function contentOf(data: string) {
  return withEtcd(await etcdProgram(), join(data, 'etcd'), never, async (etcd) => {
    const all = { key: toBase64('\0'), range_end: toBase64('\0') };
    const answer = await etcdGateway(etcd)('kv/range', all, never);
    const objects = listAt(answer, 'kvs').map((each) => [
      Buffer.from(textAt(each, 'key'), 'base64').toString(),
      Buffer.from(textAt(each, 'value'), 'base64'),
    ]);
    const old = await etcdGateway(etcd)('kv/range', { ...all, revision: '5' }, never).catch(String);
    return {
      objects: Object.fromEntries(objects),
      revision: Number(textAt(answer, 'header', 'revision')),
      old,
    };
  });
}

async function save(data: string, passphrase?: string): Promise<string> {
  const file = join(data, 'snapshots', 'one.snapshot.gz');
  await withEtcd(await etcdProgram(), join(data, 'etcd'), never, async (etcd) =>
    writeSnapshot(file, snapshotLines({ node: 'default', data, etcd }, never), passphrase, never),
  );
  return file;
}

async function restore(file: string, data: string, passphrase?: string) {
  const program = await etcdProgram();
  return restoreSnapshot(await openSnapshot({ file, passphrase }), {
    data,
    program,
    versions,
    present: undefined,
    signal: never,
  });
}

async function write(data: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(data, file)), { recursive: true });
    await writeFile(join(data, file), text, { mode: 0o600 });
  }
}

const identity = {
  'pki/ca.crt': 'ca',
  'pki/ca.key': 'key of the ca',
  'pki/sa.key': 'key',
  'apiserver/encryption.json': 'keys of Secrets',
  'addons/mine.yaml': 'manifest',
};

describe('a snapshot', () => {
  it('has every object of Kubernetes and the identity of the cluster, and brings them back', async () => {
    const many = Array.from({ length: 2500 }, (_, i) => [
      `/registry/configmaps/default/c${i}`,
      randomBytes(100),
    ]);
    const objects = {
      ...Object.fromEntries(many),
      '/registry/secrets/default/large': randomBytes(1_400_000),
      '/registry/services/empty': Buffer.alloc(0),
    };
    const data = await dataWith(objects);
    await write(data, {
      ...identity,
      'pki/apiserver.crt': 'of this machine',
      'kubeconfig/admin.conf': 'here',
    });
    const file = await save(data);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await storedSnapshots(join(data, 'snapshots'))).toMatchObject([
      { name: 'one', isEncrypted: false },
    ]);

    const other = await dataWith({ '/registry/pods/default/other': Buffer.from('other') });
    await write(other, { 'pki/ca.crt': 'other ca', 'pki/apiserver.crt': 'old', 'log/etcd.log': 'a line' });
    const before = Date.now();
    expect(await restore(file, other)).toEqual({ objects: 2502 });

    const { objects: found, revision, old } = await contentOf(other);
    expect(found).toEqual(objects);
    // Whoever watched the other cluster is told to list again.
    expect(revision).toBeGreaterThan(before);
    expect(old).toContain('required revision has been compacted');
    for (const [name, text] of Object.entries(identity))
      expect(await readFile(join(other, name), 'utf8')).toBe(text);
    expect(existsSync(join(other, 'pki/apiserver.crt'))).toBe(false);
    expect((await stat(join(other, 'pki/ca.key'))).mode & 0o777).toBe(0o600);
    expect(await readFile(join(other, 'log/etcd.log'), 'utf8')).toBe('a line');
    expect(await readFile(join(other, 'replaced/pki/ca.crt'), 'utf8')).toBe('other ca');
    expect(existsSync(join(other, 'restore'))).toBe(false);

    // Again: no revision goes back.
    await restore(file, other);
    expect((await contentOf(other)).revision).toBeGreaterThan(revision);
  }, 120_000);

  it('may be encrypted: only its passphrase opens it', async () => {
    const data = await dataWith({ '/registry/secrets/default/one': Buffer.from('planted-secret') });
    const file = await save(data, 'right');
    expect(await readFile(file, 'latin1')).toMatch(/^age-encryption\.org\/v1\n-> scrypt /);
    await expect(checkSnapshot({ file, passphrase: undefined })).rejects.toThrow(`${file} is encrypted`);
    await expect(checkSnapshot({ file, passphrase: 'wrong' })).rejects.toThrow('cannot be decrypted');
    expect(await checkSnapshot({ file, passphrase: 'right' })).toMatchObject({ node: 'default' });
    expect(await restore(file, data, 'right')).toEqual({ objects: 1 });
  }, 60_000);

  it('is not written when the node goes down meanwhile', async () => {
    const data = await tempDir('snapshot');
    const file = join(data, 'snapshots/one.snapshot.gz');
    const lines = async function* () {
      yield '{"key":"/registry/a","value":""}\n';
    };
    await expect(writeSnapshot(file, lines(), undefined, never)).rejects.toThrow('the node went down');
    expect(existsSync(file)).toBe(false);
  });
});

describe('a file that is no whole snapshot is refused, and nothing changes', () => {
  const header = {
    format: 'k8s-single snapshot',
    version: 1,
    node: 'n',
    created: '2026-11-28T00:00:00.000Z',
    versions: '{"kube-apiserver":"1.20.2"}',
    revision: '7',
  };
  const record = { key: '/registry/a', value: 'YQ==' };
  const end = { end: { files: 0, records: 1 } };
  const zip = (...lines: readonly unknown[]): Buffer =>
    gzipSync(lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''));
  const whole = zip(header, record, end);

  test.for<[string, Buffer, string]>([
    ['empty', Buffer.alloc(0), 'is no snapshot'],
    ['text', Buffer.from('apiVersion: v1\n'), 'is no snapshot'],
    ['another gzip', gzipSync('hello'), 'is no snapshot'],
    ['cut off in the compressed data', whole.subarray(0, -12), 'is damaged: unexpected end of file'],
    ['garbled', Buffer.concat([whole.subarray(0, 40), randomBytes(200)]), 'is damaged'],
    ['cut off after a line', zip(header, record), 'is cut off after line 2'],
    ['with a line too little', zip(header, end), 'line 2 is damaged'],
    ['with a line after its end', zip(header, record, end, record), 'line 3 is damaged'],
    ['of a newer version', zip({ ...header, version: 2 }, record, end), 'of a newer k8s-single (format 2)'],
    ['without a revision', zip({ ...header, revision: '-1' }, record, end), 'line 1 is damaged'],
    ['with a line that is no JSON', zip(header, '{"key"', end), 'line 2 is damaged'],
    ['with a key of somebody else', zip(header, { key: 'mine', value: '' }, end), 'line 2 is damaged'],
    [
      'with a file outside',
      zip(header, { file: 'pki/../../../etc/passwd', content: '' }, { end: { files: 1, records: 0 } }),
      'line 2 is damaged',
    ],
    [
      'with a file that is none of a cluster',
      zip(header, { file: 'log/etcd.log', content: '' }, { end: { files: 1, records: 0 } }),
      'line 2 is damaged',
    ],
    ['a line without end', gzipSync(Buffer.alloc(70 * 2 ** 20, 'a')), 'it has a line without end'],
    ['an age file that is damaged', Buffer.from('age-encryption.org/v1\n-> X\n'), 'cannot be decrypted'],
  ])('%s', async ([, content, message]) => {
    const data = await tempDir('snapshot');
    const file = join(data, 'file');
    await writeFile(file, content);
    await expect(checkSnapshot({ file, passphrase: 'any' })).rejects.toThrow(message);
    await expect(checkSnapshot({ file, passphrase: 'any' })).rejects.toMatchObject({ code: 'usage' });
  });

  it('a file that is missing, or a folder', async () => {
    const data = await tempDir('snapshot');
    for (const file of [join(data, 'missing'), data])
      await expect(checkSnapshot({ file, passphrase: undefined })).rejects.toThrow(`cannot read ${file}`);
  });

  it('also when the check was passed over', async () => {
    const data = await dataWith({ '/registry/a': Buffer.from('a') });
    const file = await save(data);
    const text = gunzipSync(await readFile(file))
      .toString()
      .split('\n')
      .slice(0, -2)
      .join('\n');
    await writeFile(file, gzipSync(text));
    await expect(restore(file, data)).rejects.toThrow('is cut off');
    expect((await contentOf(data)).objects).toHaveProperty('/registry/a');
    for (const name of ['restore', 'restore.tmp', 'replaced'])
      expect(existsSync(join(data, name))).toBe(false);
  }, 60_000);
});

describe('a restore', () => {
  it('goes on after one that was interrupted, at the next start or the next restore', async () => {
    const data = await dataWith({ '/registry/a': Buffer.from('a') });
    const file = await save(data);
    const other = await dataWith({ '/registry/b': Buffer.from('b') });
    await restore(file, other);
    // As after a crash when all is made, and nothing is in its place.
    await rename(join(other, 'replaced'), join(other, 'kept'));
    await mkdir(join(other, 'restore/etcd'), { recursive: true });
    await rename(join(other, 'kept/etcd/member'), join(other, 'restore/etcd/member'));
    await rename(join(other, 'kept/versions.json'), join(other, 'restore/versions.json'));
    await completeRestore(other);
    expect((await contentOf(other)).objects).toHaveProperty('/registry/b');
    expect(existsSync(join(other, 'replaced/etcd/member/snap/db'))).toBe(true);
    // After a crash at its end.
    await write(other, { 'restore/begun': '', 'restore/pki/left': '', 'restore.tmp/half': '' });
    expect(await restore(file, other)).toEqual({ objects: 1 });
    expect((await contentOf(other)).objects).toHaveProperty('/registry/a');
    for (const name of ['restore', 'restore.tmp']) expect(existsSync(join(other, name))).toBe(false);
    // A folder of this name that is somebody else's stays.
    await write(other, { 'restore/mine': 'mine' });
    await completeRestore(other);
    expect(await readFile(join(other, 'restore/mine'), 'utf8')).toBe('mine');
  }, 60_000);

  it('takes manifests away that the snapshot does not have', async () => {
    const data = await dataWith({ '/registry/a': Buffer.from('a') });
    const file = await save(data);
    await write(data, { 'addons/bad.yaml': 'bad' });
    await restore(file, data);
    expect(existsSync(join(data, 'addons'))).toBe(false);
    expect(await readFile(join(data, 'replaced/addons/bad.yaml'), 'utf8')).toBe('bad');
  }, 60_000);

  it('begins after the revision of the data that it replaces, also if the clock was set back', async () => {
    const data = await dataWith({ '/registry/a': Buffer.from('a') });
    const snapshot = await openSnapshot({ file: await save(data), passphrase: undefined });
    const present = BigInt(Date.now()) * 2n;
    const program = await etcdProgram();
    await restoreSnapshot(snapshot, { data, program, versions, present, signal: never });
    expect(BigInt((await contentOf(data)).revision)).toBeGreaterThan(present);
  }, 60_000);

  it('is refused where a disk is mounted on what it replaces', async () => {
    const data = await dataWith({ '/registry/a': Buffer.from('a') });
    const file = await save(data);
    await write(data, { 'addons/mine.yaml': 'mine' });
    await execa('mount', ['--no-mtab', '-t', 'tmpfs', 'test', join(data, 'addons')]);
    try {
      await expect(restore(file, data)).rejects.toThrow(`${join(data, 'addons')} is mounted there`);
      expect(existsSync(join(data, 'restore'))).toBe(false);
    } finally {
      await execa('umount', ['--no-mtab', join(data, 'addons')]);
    }
  }, 60_000);
});

it('a tree is moved to another disk whole, also after a crash on the way', async () => {
  const dir = await tempDir('snapshot');
  const disk = join(dir, 'disk');
  await mkdir(disk);
  await execa('mount', ['--no-mtab', '-t', 'tmpfs', 'test', disk]);
  try {
    await write(dir, { 'from/a/b': 'text', 'from.tmp/part': 'of an earlier one', 'disk/to.tmp/half': '' });
    await moveTree(join(dir, 'from'), join(disk, 'to'));
    expect(await readFile(join(disk, 'to/a/b'), 'utf8')).toBe('text');
    expect((await readdir(dir)).toSorted()).toEqual(['disk']);
    expect(await readdir(disk)).toEqual(['to']);
  } finally {
    await execa('umount', ['--no-mtab', disk]);
  }
});

describe('the schedule', () => {
  const hour = 3_600_000;
  const now = new Date('2026-11-28T12:00:00Z');
  const named = (name: string): StoredSnapshot => ({
    name,
    file: `/s/${name}`,
    size: 1,
    isEncrypted: false,
    time: now,
  });
  const at = (time: string): StoredSnapshot => named(`scheduled-${nameByTime(new Date(time))}`);
  const plan = (stored: readonly StoredSnapshot[], keep = 2) =>
    planOf(stored, { every: hour, keep, now })?.remove.map(({ name }) => name);

  it('takes the first at once, and the next when the last is old enough', () => {
    expect(plan([])).toEqual([]);
    expect(plan([at('2026-11-28T11:00:01Z')])).toBeUndefined();
    expect(plan([at('2026-11-28T11:00:00Z')])).toEqual([]);
  });

  it('removes its own oldest ones, and no others', () => {
    const [oldest, older, last] = [
      at('2026-11-28T08:00:00Z'),
      at('2026-11-28T09:00:00Z'),
      at('2026-11-28T10:00:00Z'),
    ];
    const foreign = [named('scheduled-by-me'), named('before-the-change')];
    expect(plan([last, oldest, ...foreign, older])).toEqual([oldest.name, older.name]);
    expect(plan([last, oldest, older], 4)).toEqual([]);
  });

  it('is not confused by a clock that was ahead', () => {
    const future = at('2027-11-28T12:00:00Z');
    expect(plan([future, at('2026-11-28T11:30:00Z')])).toBeUndefined();
    expect(plan([at('2026-11-28T10:00:00Z'), future])).toEqual([future.name]);
    expect(plan([future])).toEqual([]);
  });
});
