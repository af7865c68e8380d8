import { mkdir, readdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { coreDnsBinary, nodeBinaries } from '../../src/install/find/binaries.ts';
import { install } from '../../src/install/install.ts';
import type { InstallOptions } from '../../src/install/install.ts';
import { releaseArch } from '../../src/install/release/assets.ts';
import { defaultRelease } from '../../src/install/release/pairings.ts';
import { sources } from '../../src/install/sources.ts';
import { chooseDnsServer } from '../../src/kubernetes/dns/chooseServer.ts';
import { tempDir } from '../support/cli.ts';
import { publish, releaseServer } from '../support/releaseServer.ts';
import type { Published, ReleaseServer } from '../support/releaseServer.ts';

const arch = releaseArch();
/** What no release has is on the machine. */
const binaries = nodeBinaries.filter((binary) => 'release' in binary && binary.release !== 'catatonit');

let files: Published;
let server: ReleaseServer;
let dir: string;
let labels: string[];

beforeEach(async () => {
  vi.stubEnv('K8S_SINGLE_OWN_BUILDS', '1');
  onTestFinished(() => void vi.unstubAllEnvs());
  dir = await tempDir('source');
  files = await publish(defaultRelease);
  server = await releaseServer(files);
  labels = [];
});

const installFrom = async (options: Partial<InstallOptions> = {}) =>
  await install({
    binDirs: [],
    path: join(dir, 'none'),
    cacheDir: join(dir, 'cache'),
    mirror: server.url,
    binaries,
    onProgress: ({ label, done }) => void (done === true && labels.push(label)),
    ...options,
  });

const add = async (version: string): Promise<void> => {
  for (const [path, file] of await publish(version)) files.set(path, file);
};

test('auto takes official releases when their server answers, and says so', async () => {
  const { files: found, versions } = await installFrom();
  expect(versions['kube-apiserver']).toBe(defaultRelease);
  expect(found.etcd).toBe(join(dir, `cache/release/etcd-3.6.14-${arch}/etcd`));
  expect(found.cni).toBe(join(dir, `cache/release/cni-1.9.1-${arch}/cni`));
  expect(labels).toContain(`official releases: ${server.url} answers`);
  expect(labels.at(-1)).toBe(`Kubernetes ${defaultRelease}`);
});

test('what is in the cache is used without a question to a server', async () => {
  await installFrom();
  const before = server.requests.length;
  await installFrom();
  await installFrom({ source: 'release' });
  await installFrom({ kubernetes: defaultRelease.split('.').slice(0, 2).join('.') });
  expect(server.requests).toHaveLength(before);
});

test('auto takes Debian when no server answers, and says why', async () => {
  const offline = { mirror: 'http://127.0.0.1:1', signal: AbortSignal.timeout(10_000) };
  const debian = vi.spyOn(sources, 'debian').mockImplementation(async () => []);
  onTestFinished(() => debian.mockRestore());
  await expect(installFrom(offline)).rejects.toThrow(/^missing: /);
  expect(labels).toEqual(['Debian: connection refused on 127.0.0.1:1']);
  expect(debian).toHaveBeenCalledOnce();
  await expect(installFrom({ ...offline, kubernetes: '1.36' })).rejects.toMatchObject({
    code: 'install',
    message: 'connection refused on 127.0.0.1:1, and Debian offers Kubernetes 1.20.2 only, not 1.36',
    hint: expect.stringMatching(/--from.*--mirror.*--bin-dir/),
  });
});

test('a server that never answers is not waited for long', async () => {
  server.misbehave = () => true;
  const begin = performance.now();
  await expect(installFrom({ kubernetes: '1.36' })).rejects.toThrow(/it does not answer, and Debian offers /);
  expect(performance.now() - begin).toBeLessThan(10_000);
});

test('a minor version means its newest patch; without an answer to that, the one of the table', async () => {
  await add('1.29.99');
  expect((await installFrom({ kubernetes: '1.29' })).versions.kubelet).toBe('1.29.99');
  files.delete('dl.k8s.io/release/stable-1.30.txt');
  await expect(installFrom({ kubernetes: '1.30' })).rejects.toThrow(
    /has no (kube-\w+ 1\.30\.13|cni 1\.4\.1)/,
  );
});

test('stable and latest are what the server says', async () => {
  await add('1.37.0-rc.1');
  files.set('dl.k8s.io/release/stable.txt', Buffer.from(`v${defaultRelease}`));
  expect((await installFrom({ kubernetes: 'stable' })).versions.kubelet).toBe(defaultRelease);
  expect((await installFrom({ kubernetes: 'latest' })).versions.kubelet).toBe('1.37.0-rc.1');
  expect(labels).toContain('Kubernetes latest is 1.37.0-rc.1');
});

test('when no server says what stable is, the newest version in the cache has to do', async () => {
  await installFrom();
  labels = [];
  const { versions } = await installFrom({ kubernetes: 'stable', mirror: 'http://127.0.0.1:1' });
  expect(versions.kubelet).toBe(defaultRelease);
  expect(labels).toEqual([
    `Kubernetes ${defaultRelease}, the newest in the cache: connection refused on 127.0.0.1:1`,
  ]);
});

test('several versions are side by side: the requested one, else the default one, else the newest', async () => {
  await add('1.29.99');
  await add('1.28.99');
  await installFrom({ kubernetes: '1.28' });
  await installFrom({ kubernetes: '1.29' });
  expect((await installFrom()).versions.kubelet).toBe('1.29.99');
  expect((await installFrom({ kubernetes: '1.28' })).versions.kubelet).toBe('1.28.99');
  await installFrom({ kubernetes: defaultRelease });
  expect((await installFrom()).versions.kubelet).toBe(defaultRelease);
  const shared = (await readdir(join(dir, 'cache/release'))).filter((name) => name.startsWith('etcd'));
  expect(shared.sort()).toEqual([`etcd-3.5.33-${arch}`, `etcd-3.6.14-${arch}`]);
});

test('a preferred version is installed, unless another one is required or given', async () => {
  await add('1.29.99');
  await installFrom();
  expect((await installFrom({ preferred: '1.29' })).versions.kubelet).toBe('1.29.99');
  expect((await installFrom({ preferred: '1.29', kubernetes: '1.36' })).versions.kubelet).toBe(
    defaultRelease,
  );
  const binDirs = [join(dir, `cache/release/kubernetes-${defaultRelease}-${arch}`)];
  expect((await installFrom({ preferred: '1.29', binDirs })).versions.kubelet).toBe(defaultRelease);
});

test('with binaries of the user, only what goes with their version is added', async () => {
  await add('1.29.99');
  await installFrom({ kubernetes: '1.29' });
  const given = join(dir, 'given');
  await mkdir(given);
  for (const { name } of binaries.filter(({ release }) => release === 'kubernetes')) {
    await symlink(join(dir, `cache/release/kubernetes-1.29.99-${arch}`, name), join(given, name));
  }
  const other = join(dir, 'other');
  const { files: found } = await installFrom({ binDirs: [given], cacheDir: other });
  expect(found.etcd).toBe(join(other, `release/etcd-3.5.33-${arch}/etcd`));
  expect(await readdir(join(other, 'release'))).not.toContain(`kubernetes-1.29.99-${arch}`);
});

test.each([
  ['1.36.77', /^http:.* has no kube-apiserver 1\.36\.77 for \w+: there is no http:/, /mirror has the files/],
  [
    '1.99',
    /does not know what Kubernetes 1\.99 runs with: it knows 1\.20 to 1\.37/,
    /--kubernetes 1\.37, or a newer/,
  ],
  ['1.19.3', /does not know what Kubernetes 1\.19\.3 runs with/, /--bin-dir/],
])('Kubernetes %s is refused with what to do', async (kubernetes, message, hint) => {
  await expect(installFrom({ kubernetes, source: 'release' })).rejects.toMatchObject({
    code: 'install',
    message: expect.stringMatching(message),
    hint: expect.stringMatching(hint),
  });
  expect(await readdir(join(dir, 'cache/release')).catch(() => [])).toEqual([]);
});

test('a mirror that is no mirror is refused', async () => {
  server.misbehave = (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<html>welcome</html>');
    return true;
  };
  await expect(installFrom({ source: 'release' })).rejects.toMatchObject({
    code: 'install',
    message: expect.stringMatching(/has no checksum of/),
    hint: expect.stringContaining('MIRROR/dl.k8s.io/release/'),
  });
  await expect(installFrom({ source: 'release', kubernetes: 'stable' })).rejects.toThrow(
    'stable.txt is no version',
  );
  await expect(installFrom({ mirror: 'files.example.com' })).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringContaining('is no URL'),
  });
});

test('the password of a mirror is used, and in no message', async () => {
  const mirror = server.url.replace('//', '//user:secret@');
  let authorized = 0;
  server.misbehave = (request, response) => {
    if (request.headers.authorization === `Basic ${btoa('user:secret')}`) authorized += 1;
    else response.writeHead(401).end();
    return response.writableEnded;
  };
  expect((await installFrom({ mirror, source: 'release' })).versions.kubelet).toBe(defaultRelease);
  expect(authorized).toBe(server.requests.length);
  const error: unknown = await installFrom({ mirror, kubernetes: '1.36.77' }).catch((each: unknown) => each);
  expect(String(error)).toContain('user:***@127.0.0.1');
  expect(String(error)).not.toContain('secret');
  expect(labels.join()).not.toContain('secret');
});

test('a cache that is read-only is named with what to do', async () => {
  await mkdir(join(dir, 'cache'));
  const { execa } = await import('execa');
  await execa('mount', ['--no-mtab', '-t', 'tmpfs', '-o', 'ro', 'tmpfs', join(dir, 'cache')]);
  onTestFinished(async () => void (await execa('umount', ['--no-mtab', join(dir, 'cache')])));
  await expect(installFrom({ source: 'release' })).rejects.toMatchObject({
    code: 'install',
    message: expect.stringMatching(/^cannot use the cache: .*EROFS/),
    hint: expect.stringContaining('XDG_CACHE_HOME'),
  });
});

test('two installs at once share one download', async () => {
  await Promise.all([installFrom({ source: 'release' }), installFrom({ source: 'release' })]);
  const programs = server.requests.filter((path) => /\/(kubelet|runc\.\w+64|etcd-[^/]+\.gz)$/.test(path));
  expect(programs).toHaveLength(3);
  expect(await readFile(join(dir, 'cache/install.log'), 'utf8')).toContain('tar --extract');
});

const dnsServer = async (searchPath: string, minor: number) =>
  await chooseDnsServer(
    { server: 'auto' },
    { searchPath, minor, versionCache: join(dir, 'cache/versions.json') },
  );

test('CoreDNS comes with a release, in a version that fits, and serves DNS', async () => {
  await add('1.20.99');
  for (const [kubernetes, version] of [
    [defaultRelease, '1.14.7'],
    ['1.20.99', '1.10.1'],
  ] as const) {
    const { searchPath } = await installFrom({ kubernetes, extras: [coreDnsBinary] });
    const program = join(dir, `cache/release/coredns-${version}-${arch}/coredns`);
    const { server: chosen, result } = await dnsServer(searchPath, Number(kubernetes.split('.')[1]));
    expect(chosen).toEqual({ kind: 'coredns', program });
    expect(result.message).toBe(`CoreDNS ${version}: ${program}`);
  }
});

test('CoreDNS is not asked for without need, and is added to a complete cache only if the config requires it', async () => {
  const withDns = { extras: [coreDnsBinary] };
  const { searchPath } = await installFrom();
  expect((await dnsServer(searchPath, 36)).server.kind).toBe('embedded');
  const before = server.requests.length;
  await installFrom(withDns);
  expect(server.requests).toHaveLength(before);
  await installFrom({ ...withDns, needsExtras: true });
  expect(server.requests.slice(before).every((path) => path.includes('/coredns_1.14.7_'))).toBe(true);
  expect((await dnsServer(searchPath, 36)).server.kind).toBe('coredns');
  const after = server.requests.length;
  await installFrom({ ...withDns, needsExtras: true });
  expect(server.requests).toHaveLength(after);
});
