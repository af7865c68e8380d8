import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { checkData } from '../../src/kubernetes/checkData.ts';
import { nodePaths } from '../../src/lib/paths.ts';
import type { Paths } from '../../src/lib/paths.ts';
import { tempDir } from '../support/cli.ts';

const root = 'containerd/root';
const snapshotter = `${root}/io.containerd.snapshotter.v1.overlayfs`;
const blob = `${root}/io.containerd.content.v1.content/blobs/sha256/abc`;
const metadata = `${root}/io.containerd.metadata.v1.bolt/meta.db`;

const pin = JSON.stringify({ name: 'app:1', mediaType: 'manifest', digest: 'sha256:abc', size: 1 });

let paths: Paths;

/** The data of a node that has run. */
beforeEach(async () => {
  paths = nodePaths('data', join(await tempDir('check-data'), 'data'));
  const files = [
    'etcd/member/snap/db',
    ...['ca.crt', 'ca.key', 'sa.key', 'sa.pub'].map((name) => `pki/${name}`),
    metadata,
    blob,
    `${snapshotter}/metadata.db`,
    `${snapshotter}/snapshots/1/fs/pause`,
  ];
  for (const file of files) {
    mkdirSync(dirname(join(paths.data, file)), { recursive: true });
    writeFileSync(join(paths.data, file), '');
  }
  mkdirSync(paths.pinnedImages, { recursive: true });
  writeFileSync(join(paths.pinnedImages, 'a.json'), pin);
});

const remove = (...files: string[]): void => {
  for (const file of files) rmSync(join(paths.data, file), { recursive: true });
};

test('nothing is said of data that is whole, or new', () => {
  expect(checkData(paths, 'overlayfs')).toEqual([]);
  rmSync(paths.data, { recursive: true });
  expect(checkData(paths, 'overlayfs')).toEqual([]);
});

test.each([
  [
    'the keys of service accounts',
    ['pki/sa.key', 'pki/sa.pub'],
    /sa\.key \(with .*sa\.pub\) has gone .*\(401\)$/,
  ],
  ['all certificates', ['pki'], /^all of \S*pki has gone .*, and so is every kubeconfig of before$/],
])('%s that are gone are said, with what is refused from now on', (_what, files, message) => {
  remove(...files);
  expect(checkData(paths, 'overlayfs')).toMatchObject([
    { level: 'note', subject: 'pki', message: expect.stringMatching(message) as string },
  ]);
});

test.each([
  ['blobs', [`${root}/io.containerd.content.v1.content/blobs`], blob],
  ['metadata', [metadata], metadata],
  ['snapshots', [`${snapshotter}/snapshots/1`], `${snapshotter}/snapshots`],
  ['snapshotter', [snapshotter], `${snapshotter}/metadata.db`],
])('an image store without its %s is set aside, and what is lost is named', (_what, files, missing) => {
  remove(...files);
  expect(checkData(paths, 'overlayfs')).toMatchObject([
    {
      level: 'note',
      subject: 'images',
      message: `${join(paths.data, missing)} has gone since the last start: the image store is made anew, and what was left of it is in ${paths.containerd}/root.damaged`,
      remedy: expect.stringContaining('it had app:1;') as string,
    },
  ]);
  expect(existsSync(join(paths.data, root))).toBe(false);
  expect(existsSync(join(paths.containerd, 'root.damaged'))).toBe(true);
  expect(checkData(paths, 'overlayfs')).toEqual([]);
});

test.each(['', '{"kube-apiserver":"1.2', '[]'])(
  'a damaged record of the versions is named and set aside: %j',
  (text) => {
    writeFileSync(join(paths.data, 'versions.json'), text);
    expect(checkData(paths, 'overlayfs')).toMatchObject([
      {
        level: 'note',
        subject: 'data',
        message: expect.stringContaining('versions.json was damaged') as string,
      },
    ]);
    expect(existsSync(join(paths.data, 'versions.json'))).toBe(false);
    writeFileSync(join(paths.data, 'versions.json'), '{"kube-apiserver":"1.20.2","etcd":"3.4.23"}');
    expect(checkData(paths, 'overlayfs')).toEqual([]);
  },
);

test('what an interrupted write has left of a pinned image is none, and a damaged one is set aside', () => {
  writeFileSync(join(paths.pinnedImages, 'b.json.0123456789ab.tmp'), pin.replace('abc', 'gone'));
  expect(checkData(paths, 'overlayfs')).toEqual([]);
  const [torn, foreign] = ['c.json', 'd.json'].map((name) => join(paths.pinnedImages, name)) as [
    string,
    string,
  ];
  writeFileSync(torn, pin.slice(0, 20));
  writeFileSync(foreign, 'null');
  expect(checkData(paths, 'overlayfs')).toMatchObject([
    { level: 'note', subject: 'images', message: expect.stringContaining(`${torn}, ${foreign}`) as string },
  ]);
  expect(existsSync(`${torn}.damaged`)).toBe(true);
  expect(checkData(paths, 'overlayfs')).toEqual([]);
});

test('an image store that was being set aside is kept when that is interrupted', () => {
  remove(blob);
  checkData(paths, 'overlayfs');
  // As before the last step.
  mkdirSync(paths.pinnedImages, { recursive: true });
  writeFileSync(join(paths.pinnedImages, 'a.json'), pin);
  expect(checkData(paths, 'overlayfs')).toHaveLength(1);
  expect(existsSync(join(paths.data, 'containerd/root.damaged'))).toBe(true);
});
