import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { endianness, tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { pluginFailure } from '../../../src/kubernetes/components/containerd.ts';
import { assertDatabase, ifDamaged } from '../../../src/kubernetes/components/database.ts';

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

test.each([
  'exited with code 1: C | etcdmain: wal: max entry size limit exceeded',
  'exited with code 2: panic: cannot open database at /d/member/snap/db (invalid database)',
  'exited with code 2: panic: freepages: failed to get all reachable pages (page 3: multiple references) checksum error',
])('the reason of damaged files gets the hint: %s', (reason) => {
  expect(ifDamaged(reason, 'hint')).toBe('hint');
});

test('another reason gets none', () => {
  expect(
    ifDamaged('exited with code 1: listen tcp 127.0.0.1:4001: bind: address already in use', 'hint'),
  ).toBeUndefined();
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
