import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { endianness, tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import {
  diagnose as diagnoseContainerd,
  pluginFailure,
} from '../../../src/kubernetes/components/containerd.ts';
import { assertDatabase } from '../../../src/kubernetes/components/database.ts';
import { diagnose as diagnoseEtcd, hasNoMembers } from '../../../src/kubernetes/components/etcd.ts';
import { diagnose as diagnoseKubelet } from '../../../src/kubernetes/components/kubelet.ts';

/** A file with this content. */
function file(content: Buffer | string): string {
  const dir = mkdtempSync(join(tmpdir(), 'k8s-single-database-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  writeFileSync(join(dir, 'db'), content);
  return join(dir, 'db');
}

/** Two pages of 4096 bytes; those of these indexes are meta pages. */
function pages(...indexes: readonly number[]): Buffer {
  const bytes = Buffer.alloc(8192, 0xff);
  for (const index of indexes) {
    for (const [at, number] of [0xed0cdaed, 2].entries()) {
      const offset = index * 4096 + 16 + at * 4;
      if (endianness() === 'LE') bytes.writeUInt32LE(number, offset);
      else bytes.writeUInt32BE(number, offset);
    }
  }
  return bytes;
}

test.each([
  ['both meta pages', pages(0, 1)],
  ['the first', pages(0)],
  ['the second', pages(1)],
  ['nothing yet', ''],
])('a file with %s is a database', (_with, content) => {
  expect(() => assertDatabase(file(content), 'hint')).not.toThrow();
});

test.each([
  ['a missing file', '/nowhere/db'],
  ['a path below a file', '/etc/passwd/member/snap/db'],
  ['a folder', '/etc'],
])('%s is left to the program, which makes it or reports why it cannot', (_what, path) => {
  expect(() => assertDatabase(path, 'hint')).not.toThrow();
});

test.each([
  ['garbage', pages()],
  ['a few bytes', 'x'],
])('%s is refused with the file and what to do', (_of, content) => {
  const path = file(content);
  expect(() => assertDatabase(path, 'remove it')).toThrow(
    expect.objectContaining({
      code: 'preflight',
      message: `${path} is damaged: it is no database`,
      hint: 'remove it',
    }),
  );
});

const etcd = (reason: string, lines: readonly string[] = []) =>
  diagnoseEtcd(reason, lines, { database: '/d/db', wal: '/d/wal', remedy: 'hint' });
const containerd = (reason: string, lines: readonly string[] = []) =>
  diagnoseContainerd(reason, lines, { databases: ['/d/meta.db', '/d/metadata.db'], remedy: 'hint' });
const boltFrames = [
  'goroutine 1 [running]:',
  'go.etcd.io/bbolt.(*node).read(...)',
  '\tgo.etcd.io/bbolt/node.go:162',
];

// As etcd 3.4.23 and containerd 1.6.20 print it.
test.each([
  ['/d/wal', 'exited with code 1: C | etcdmain: wal: max entry size limit exceeded'],
  ['/d/wal', 'exited with code 1: 2026-11-28 10:32:49.113436 C | etcdmain: walpb: crc mismatch'],
  ['/d/wal', 'exited with code 1: 2026-11-28 10:33:10.165019 C | etcdmain: wal: file not found'],
  ['/d/wal', 'exited with code 2: panic: cannot use none as id'],
  [
    '/d/wal',
    'exited with code 1: 2026-11-29 03:47:50.455288 C | etcdmain: proto: wrong wireType = 7 for field Data',
  ],
  ['/d/db', 'exited with code 1: C | mvcc: cannot unmarshal event: proto: wrong wireType = 7 for field Key'],
  ['/d/wal', 'its write-ahead log is cut off: it starts as a member without entries, and waits for ever'],
  ['/d/db', 'exited with code 2: panic: cannot open database at /d/member/snap/db (invalid database)'],
  [
    '/d/db',
    'exited with code 2: panic: freepages: failed to get all reachable pages (page 3: multiple references)',
  ],
  ['/d/db', 'exited with code 2: fatal error: fault', boltFrames],
  ['/d/db', 'exited with code 2: panic: runtime error: index out of range [5] with length 3', boltFrames],
])('etcd cannot run with damage of %s: %s', (path, reason, lines: readonly string[] = []) => {
  expect(etcd(reason, lines)).toEqual({ isPermanent: true, fault: `${path} is damaged`, remedy: 'hint' });
});

test.each([
  [
    '/d/meta.db',
    'exited with code 2: panic: runtime error: index out of range [5] with length 3',
    boltFrames,
  ],
  ['/d/meta.db', 'containerd runs without its CRI plugin: its database meta.db: invalid database'],
  [
    '/d/metadata.db',
    'exited with code 2: fatal error: fault',
    [...boltFrames, 'github.com/containerd/containerd/snapshots/storage.x'],
  ],
])('containerd cannot run with damage of %s: %s', (path, reason, lines: readonly string[] = []) => {
  expect(containerd(reason, lines)).toEqual({
    isPermanent: true,
    fault: `${path} is damaged`,
    remedy: 'hint',
  });
});

test('containerd cannot run with a plugin that does not load', () => {
  expect(containerd('containerd runs without its CRI plugin: no CNI')).toEqual({ isPermanent: true });
});

test.each([
  ['exited with code 1: listen tcp 127.0.0.1:4001: bind: address already in use', []],
  ['exited with code 2: panic: failed to commit: write /d/db: no space left on device', boltFrames],
  ['exited with code 1: C | etcdmain: open /d/wal/0.wal: permission denied', []],
  ['exited with code 2: panic: assignment to entry in nil map', ['main.main()']],
])('%s is no damage', (reason, lines) => {
  expect(etcd(reason, lines)).toBeUndefined();
  expect(containerd(reason, lines)).toBeUndefined();
});

test.each([
  "EISDIR: illegal operation on a directory, open '/d/kubelet/config.json'",
  "ENOTDIR: not a directory, stat '/srv/proto/etcd/member/snap/db'",
  'exited with code 255: F1128 kubelet.go:1389] error creating pods directory: mkdir /d/kubelet/pods: not a directory',
])('a file where a folder is needed is permanent: %s', (reason) => {
  const remedy = 'remove what is in the way: it is made again';
  for (const each of [etcd(reason), containerd(reason), diagnoseKubelet(reason, '/d')])
    expect(each).toEqual({ isPermanent: true, remedy });
});

const restart =
  '2026-11-28 10:35:23.1 I | etcdserver: restarting member b71f in cluster 1c45 at commit index 0';
const start = '2026-11-28 10:35:23.1 I | etcdserver: starting member b71f in cluster 1c45';
const newRaft = (last: number): string =>
  `raft2026/11/28 10:35:23 INFO: newRaft b71f [peers: [], term: 0, commit: 0, applied: 0, lastindex: ${last}, lastterm: 0]`;
const zap = (msg: string): string => JSON.stringify({ level: 'info', msg });

test.each([
  ['a restart with an empty log', [restart, newRaft(0)], true],
  ['the same as etcd 3.5 logs it', [zap('restarting local member'), zap(newRaft(0))], true],
  ['a restart with entries', [restart, newRaft(7)], false],
  ['a first start', [start, newRaft(0)], false],
  ['a first start after that', [restart, newRaft(0), start, newRaft(0)], false],
])('etcd goes on without members: %s', (_what, lines, expected) => {
  expect(hasNoMembers(lines)).toBe(expected);
});

const line = (rest: string): string => `time="2026-08-01T12:00:00Z" level=warning ${rest}`;

test('the reason of a missing CRI plugin is that of its database, or its own, in the forms of containerd 1 and 2', () => {
  const cri = line(
    'msg="failed to load plugin io.containerd.grpc.v1.cri" error="failed to find \\"x\\" in path"',
  );
  const bolt = line('msg="failed to load plugin io.containerd.metadata.v1.bolt" error="invalid database"');
  const other = line('msg="failed to load plugin io.containerd.snapshotter.v1.zfs" error="skip"');
  expect(pluginFailure([other, bolt, cri])).toBe('its database meta.db: invalid database');
  expect(pluginFailure([other, cri])).toBe('failed to find \\"x\\" in path');
  const second = line(
    'msg="failed to load plugin" error="no CNI" id=io.containerd.grpc.v1.cri type=io.containerd.grpc.v1',
  );
  expect(pluginFailure([other, second])).toBe('no CNI');
  expect(pluginFailure([other])).toBeUndefined();
});
