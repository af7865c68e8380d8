import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { nodeBinaries } from '../../../src/install/find/binaries.ts';
import { releaseArch } from '../../../src/install/release/assets.ts';
import type { Asset } from '../../../src/install/release/assets.ts';
import { publisherClient } from '../../../src/install/release/client.ts';
import { installAssets } from '../../../src/install/release/installAssets.ts';
import { assetsOf } from '../../../src/install/release/release.ts';
import { remoteRepository } from '../../../src/install/release/repository.ts';
import { runner } from '../../../src/install/run.ts';
import type { StepReport } from '../../../src/install/steps.ts';
import { tempDir } from '../../support/cli.ts';
import { addChecksum, fakeProgram, publish, releaseServer } from '../../support/releaseServer.ts';
import type { Published, ReleaseServer } from '../../support/releaseServer.ts';

const arch = releaseArch();
const { assets } = assetsOf(nodeBinaries, '1.36.99', arch);
const asset = (name: string): Asset => assets.find((each) => each.name === name)!;

let files: Published;
let server: ReleaseServer;
let cacheDir: string;
let reports: Record<string, StepReport[]>;

beforeEach(async () => {
  vi.stubEnv('K8S_SINGLE_OWN_BUILDS', '1');
  onTestFinished(() => void vi.unstubAllEnvs());
  files = await publish('1.36.99');
  server = await releaseServer(files);
  cacheDir = await tempDir('assets');
  reports = {};
});

async function installThese(
  some: readonly Asset[] = assets,
  options: { atOnce?: boolean; pins?: boolean; dir?: string } = {},
): Promise<void> {
  const client = publisherClient(server.url, { retries: 2, retryMs: 1, maxRetryMs: 5, stallMs: 500 });
  const repository = remoteRepository(client);
  const signal = new AbortController().signal;
  const dir = options.dir ?? cacheDir;
  await installAssets(some, dir, {
    repository: options.pins === true ? { ...repository, hasOwnBuilds: false } : repository,
    signal,
    reportFor:
      (label = 'all') =>
      (report) =>
        void (reports[label] ??= []).push(report),
    run: runner({ logFile: join(await tempDir('log'), 'log'), signal }),
    atOnce: options.atOnce ?? false,
  });
}

const tree = async (dir = cacheDir): Promise<string[]> =>
  (await readdir(dir, { recursive: true, withFileTypes: true }))
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
    .sort();

test('every asset is in its folder, as a program of its own', async () => {
  await installThese();
  expect(await tree()).toEqual(
    [
      ...['bridge', 'host-local', 'loopback', 'portmap'].map((name) => `cni-1.9.1-${arch}/cni/${name}`),
      ...(arch === 'amd64' ? [`catatonit-0.2.1-${arch}/catatonit`] : []),
      ...['containerd', 'containerd-shim-runc-v2', 'ctr'].map((name) => `containerd-2.3.4-${arch}/${name}`),
      ...['etcd', 'etcdctl'].map((name) => `etcd-3.6.14-${arch}/${name}`),
      ...[
        'kube-apiserver',
        'kube-controller-manager',
        'kube-proxy',
        'kube-scheduler',
        'kubectl',
        'kubelet',
      ].map((name) => `kubernetes-1.36.99-${arch}/${name}`),
      `runc-1.4.3-${arch}/runc`,
    ]
      .map((path) => `release/${path}`)
      .sort(),
  );
  const kubelet = join(cacheDir, `release/kubernetes-1.36.99-${arch}/kubelet`);
  expect((await stat(kubelet)).mode & 0o777).toBe(0o755);
  expect((await execa(kubelet, ['--version'])).stdout).toContain('v1.36.99');
  expect(reports['kubelet']?.at(-1)).toEqual({ done: true });
  const size = [...files].filter(([path]) => assets.some((each) => path.endsWith(each.path)));
  const total = size.reduce((sum, [, file]) => sum + file.length, 0);
  expect(reports['all']?.at(-1)).toMatchObject({
    detail: expect.stringMatching(new RegExp(`, ${assets.length} of ${assets.length} files$`)),
    transfer: { bytes: total, total },
  });
});

/** What a bad server does to the kubelet, and how the message begins. */
const faults: readonly (readonly [string, () => void, RegExp])[] = [
  [
    'wrong bytes',
    () => {
      const path = `dl.k8s.io/${asset('kubelet').path}`;
      files.set(path, Buffer.concat([fakeProgram('1.36.99').subarray(1), Buffer.from('!')]));
    },
    /^kubelet 1\.36\.99 from http:.*\/kubelet is not what was published: its SHA-256 is [0-9a-f]{64}, not [0-9a-f]{64} \(http:.*kubelet\.sha256\)$/,
  ],
  [
    'a wrong checksum',
    () => files.set(`dl.k8s.io/${asset('kubelet').path}.sha256`, Buffer.from('0'.repeat(64))),
    /not 0{64} \(/,
  ],
  [
    'a checksum file that is a page',
    () => {
      for (const each of asset('kubelet').checksums) files.set(`dl.k8s.io/${each}`, Buffer.from('<html>'));
    },
    /kubelet\.sha256 has no checksum of kubelet 1\.36\.99$/,
  ],
  [
    'no checksum',
    () => files.delete(`dl.k8s.io/${asset('kubelet').path}.sha256`),
    /has no kubelet 1\.36\.99 for \w+: there is no http:.*kubelet\.sha256$/,
  ],
  [
    'no file',
    () => files.delete(`dl.k8s.io/${asset('kubelet').path}`),
    /^cannot download .*kubelet: HTTP 404/,
  ],
  [
    'an archive without the program',
    () => {
      const [etcd, runc] = [asset('etcd'), asset('cni')];
      const file = files.get(`github.com/${runc.path}`)!;
      files.set(`github.com/${etcd.path}`, file);
      addChecksum(files, etcd, file);
    },
    /^etcd-v3\.6\.14-linux-\w+\.tar\.gz has no file etcd-v3\.6\.14-linux-\w+\/etcd$/,
  ],
  [
    'something else than an archive',
    () => {
      files.set(`github.com/${asset('etcd').path}`, Buffer.from('no archive'));
      addChecksum(files, asset('etcd'), Buffer.from('no archive'));
    },
    /^could not unpack etcd 3\.6\.14/,
  ],
  [
    'something else than a program',
    () => {
      files.set(`github.com/${asset('runc').path}`, Buffer.from('<html>'));
      addChecksum(files, asset('runc'), Buffer.from('<html>'));
    },
    /^runc-1\.4\.3-\w+--runc\.\w+ of runc 1\.4\.3 is not a program, although its checksum is right$/,
  ],
];

test.each(faults)('%s: one message, and nothing of it in the cache', async (_name, breakIt, message) => {
  breakIt();
  await expect(installThese()).rejects.toMatchObject({
    code: 'install',
    message: expect.stringMatching(message),
    hint: expect.stringMatching(/.+/),
  });
  const broken = /etcd/.test(message.source) ? 'etcd-3' : /runc/.test(message.source) ? 'runc-1' : 'kubelet';
  expect((await tree()).filter((path) => path.includes(broken) || path.includes('.partial'))).toEqual([]);
});

/** Starts to send a file, and what it does then. */
type Then = (response: ServerResponse, file: Buffer) => void | Promise<void>;

const begin = (response: ServerResponse, file: Buffer, length = file.length): ServerResponse =>
  response.writeHead(200, { 'content-length': length });

/** What a bad server does to every program each time, and how the message begins. */
const forever: readonly (readonly [string, Then, RegExp])[] = [
  ['answers 404', (response) => void response.writeHead(404).end(), /^cannot download .*: HTTP 404/],
  ['answers 500', (response) => void response.writeHead(500).end(), /^cannot download .*: HTTP 500/],
  [
    'redirects in a loop',
    (response) => void response.writeHead(302, { location: response.req.url ?? '/' }).end(),
    /^cannot download .*: it redirects in a circle$/,
  ],
  [
    'cuts the connection at once',
    (response) => void response.destroy(),
    /^cannot download .* closed the connection/,
  ],
  [
    'says a length that is too large',
    (response, file) => void begin(response, file, file.length + 9).write(file, () => response.destroy()),
    /^cannot download .*(closed the connection|aborted|HTTP 416)/,
  ],
  [
    'says a length that is too small',
    (response, file) => {
      const head = `HTTP/1.1 200 OK\r\ncontent-length: ${file.length - 9}\r\nconnection: close\r\n\r\n`;
      response.socket?.end(Buffer.concat([Buffer.from(head), file]));
    },
    /is not what was published|^cannot download /,
  ],
  [
    'sends a byte now and then',
    async (response, file) => {
      begin(response, file);
      for (let at = 0; at < 100 && !response.destroyed; at += 1) {
        response.write(file.subarray(at, at + 1));
        await once(AbortSignal.timeout(50), 'abort');
      }
    },
    /^cannot download .*(it sent only \d+ bytes in 0\.5 s|does not answer|socket)/,
  ],
  [
    'sends nothing after the header',
    (response, file) => begin(response, file).flushHeaders(),
    /^cannot download .*(does not answer|socket|it sent only)/,
  ],
];

test.each(forever)(
  'a server that %s: one message, and no trace in the cache',
  async (_name, then, message) => {
    server.misbehave = async (request, response, file) => {
      if (file === undefined || /sha\d+|SHA256SUMS/.test(request.url ?? '')) return false;
      await then(response, file);
      return true;
    };
    const error: unknown = await installThese().catch((each: unknown) => each);
    expect(error).toMatchObject({
      code: 'install',
      message: expect.stringMatching(message),
      hint: expect.stringMatching(/./),
    });
    expect(await readdir(cacheDir, { recursive: true })).toEqual(['release']);
  },
);

test('a server that cuts every file again and again, is busy in between and redirects: all is right', async () => {
  const other = await releaseServer(files);
  const attempts = new Map<string, number>();
  server.misbehave = (request, response, file) => {
    const path = request.url ?? '';
    // A checksum is too short to go on after a break.
    if (file === undefined || !assets.some((each) => path.endsWith(each.path))) return false;
    const count = attempts.get(path) ?? 0;
    attempts.set(path, count + 1);
    // Of each file, another percent is the first one that is cut.
    const cut = ((attempts.size * 7) % 100) + count;
    if (count % 2 === 1) {
      response.writeHead(503).end();
      return true;
    }
    if (cut >= 100) {
      response.writeHead(302, { location: `${other.url}${path}` }).end();
      return true;
    }
    const [, from = '0'] = /(\d+)-/.exec(request.headers.range ?? '') ?? [];
    const end = Math.ceil((file.length * cut) / 100);
    if (Number(from) >= end) return false;
    response.writeHead(from === '0' ? 200 : 206, {
      'content-length': file.length - Number(from),
      'content-range': `bytes ${from}-${file.length - 1}/${file.length}`,
    });
    response.write(file.subarray(Number(from), end), () => response.destroy());
    return true;
  };
  await installThese();
  for (const { name, host, path, contents, folder } of assets) {
    if (contents !== undefined) continue;
    const placed = await readFile(join(cacheDir, 'release', folder, name));
    expect(placed.equals(files.get(`${host}/${path}`)!), name).toBe(true);
  }
  expect((await tree()).filter((path) => path.includes('.partial'))).toEqual([]);
});

test('with all or nothing, a bad file leaves nothing at all', async () => {
  files.set(`github.com/${asset('runc').path}`, Buffer.from('#!/bin/sh\n'));
  await expect(installThese(assets, { atOnce: true })).rejects.toThrow('is not what was published');
  expect(await tree()).toEqual([]);
});

test('a checksum in another of its forms counts, too', async () => {
  const { path } = asset('kubelet');
  const sha256 = files.get(`dl.k8s.io/${path}.sha256`)!.toString();
  files.delete(`dl.k8s.io/${path}.sha256`);
  files.set('dl.k8s.io/release/v1.36.99/SHA256SUMS', Buffer.from(`${sha256}  bin/linux/${arch}/kubelet\n`));
  await installThese([asset('kubelet')]);
  expect(server.requests).toContain(`dl.k8s.io/${path}.sha512`);
});

test('a pinned checksum wins over what the server says', async () => {
  await expect(installThese([asset('runc')], { pins: true })).rejects.toThrow(
    /^runc 1\.4\.3 from .* is not what was published: .* \(pinned in this k8s-single\)$/,
  );
  expect(server.requests).toEqual([1, 2].map(() => `github.com/${asset('runc').path}`));
});

test('what is damaged on the way once is copied again', async () => {
  let isFirst = true;
  server.misbehave = (request, response, file) => {
    if (!isFirst || !request.url?.endsWith('/kubelet')) return false;
    isFirst = false;
    response.end(Buffer.concat([file!.subarray(0, -1), Buffer.from('\0')]));
    return true;
  };
  await installThese();
  expect((await tree()).join()).toContain('kubelet');
  expect(reports['kubelet']).toContainEqual({ detail: 'again: the checksum is wrong' });
});

test('a full disk is one message, and leaves nothing', async () => {
  const dir = await tempDir('full');
  await execa('mount', ['--no-mtab', '-t', 'tmpfs', '-o', 'size=300k', 'tmpfs', dir]);
  onTestFinished(async () => void (await execa('umount', ['--no-mtab', dir])));
  await expect(installThese(assets, { dir })).rejects.toMatchObject({
    code: 'install',
    message: expect.stringMatching(/^no space is left for /),
    hint: expect.stringContaining('--prune'),
  });
  expect((await tree(dir)).filter((path) => path.includes('.partial'))).toEqual([]);
});

test('a full disk while an archive is unpacked is the same message', async () => {
  const dir = await tempDir('full');
  // The archive itself fits, and its content does not.
  await execa('mount', ['--no-mtab', '-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', dir]);
  onTestFinished(async () => void (await execa('umount', ['--no-mtab', dir])));
  await expect(installThese([asset('containerd')], { dir })).rejects.toMatchObject({
    code: 'install',
    message: expect.stringMatching(/^no space is left for /),
  });
  expect(await tree(dir)).toEqual([]);
});

test('what a killed install left is removed by the next one', async () => {
  await installThese([asset('runc')]);
  await rm(join(cacheDir, `release/runc-1.4.3-${arch}`), { recursive: true });
  await execa('sh', [
    '-c',
    `mkdir -p ${cacheDir}/release/.partial/x && echo half > ${cacheDir}/release/.partial/x/runc`,
  ]);
  await installThese([asset('runc')]);
  expect(await tree()).toEqual([`release/runc-1.4.3-${arch}/runc`]);
  expect(await readFile(join(cacheDir, `release/runc-1.4.3-${arch}/runc`))).toEqual(
    files.get(`github.com/${asset('runc').path}`),
  );
});
