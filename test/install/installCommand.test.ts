import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { nodeBinaries } from '../../src/install/find/binaries.ts';
import { releaseArch } from '../../src/install/release/assets.ts';
import { cli, main, tempDir } from '../support/cli.ts';
import { certificate, fakeProgram, publish, releaseServer } from '../support/releaseServer.ts';
import type { Published, ReleaseServer } from '../support/releaseServer.ts';

const arch = releaseArch();
const version = '1.36.99';
let files: Published;
let server: ReleaseServer;
let dir: string;
let cache: string;
/** What no release has. */
let machine: string;

beforeAll(async () => {
  // catatonit has to be static; this one prints "ldconfig (GNU libc) 2.36".
  const ldconfig = await readFile('/sbin/ldconfig');
  files = await publish(version, (name, asset) =>
    name === 'catatonit' ? ldconfig : fakeProgram(asset.version),
  );
});

beforeEach(async () => {
  server = await releaseServer(files);
  dir = await tempDir('command');
  [cache, machine] = [join(dir, 'k8s-single'), join(dir, 'machine')];
  await mkdir(machine);
  for (const binary of nodeBinaries.filter((each) => !('release' in each))) {
    await writeFile(join(machine, binary.name), fakeProgram('1.0.0', 10), { mode: 0o755 });
  }
});

const env = () => ({ XDG_CACHE_HOME: dir, K8S_SINGLE_OWN_BUILDS: '1', K8S_SINGLE_MIRROR: server.url });
const args = (...more: string[]) => ['install', '--bin-dir', machine, '--kubernetes', version, ...more];
const run = async (...more: string[]) =>
  await cli(args('--source', 'release', ...more), { env: env(), all: true });

/** Whether each file in the folders of releases is what was published. */
async function checkCache(): Promise<number> {
  const release = join(cache, 'release');
  const programs = (await readdir(release, { recursive: true, withFileTypes: true }).catch(() => []))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const placed = programs.filter((path) => !path.slice(release.length + 1).startsWith('.'));
  for (const path of placed) {
    const [, ownVersion] = new RegExp(`/[a-z]+-([\\d.]+)-${arch}/`).exec(path) ?? [];
    const right = path.endsWith('/catatonit') ? '/sbin/ldconfig' : undefined;
    const expected = right === undefined ? fakeProgram(ownVersion ?? '') : await readFile(right);
    expect((await readFile(path)).equals(expected), path).toBe(true);
  }
  return placed.length;
}

test('an install killed at random bytes leaves nothing half-written, and the next one goes on', async () => {
  const total = assetBytes();
  // Spread over the whole download, and a little different each time.
  for (let i = 0; i < 8; i += 1) {
    const limit = Math.floor(((i + Math.random()) / 8) * total);
    const child = execa(process.execPath, [main, ...args('--source', 'release')], {
      env: env(),
      reject: false,
      stdio: 'ignore',
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    let sent = 0;
    server.misbehave = (_request, response, file) => {
      if (file === undefined) return false;
      const left = Math.max(0, limit - sent);
      sent += file.length;
      if (left >= file.length) return false;
      response.writeHead(200, { 'content-length': file.length });
      response.write(file.subarray(0, Math.max(1, left)), () => child.kill('SIGKILL'));
      return true;
    };
    await child;
    await checkCache();
  }
  server.misbehave = () => false;
  const { exitCode, all } = await run();
  expect(exitCode, String(all)).toBe(0);
  expect(await checkCache()).toBe(17 + (arch === 'amd64' ? 1 : 0));
  expect((await readdir(join(cache, 'release'))).filter((name) => name.startsWith('.'))).toEqual([]);
});

function assetBytes(): number {
  return [...files.values()].reduce((sum, file) => sum + file.length, 0);
}

test('an install that is interrupted leaves nothing half-written at all', async () => {
  const child = execa(process.execPath, [main, ...args('--source', 'release')], {
    env: env(),
    reject: false,
  });
  server.misbehave = (request, response, file) => {
    if (!request.url?.endsWith('/kubelet')) return false;
    response.writeHead(200, { 'content-length': file!.length });
    response.write(file!.subarray(0, 1000), () => child.kill('SIGINT'));
    return true;
  };
  const { signal } = await child;
  expect(signal).toBe('SIGINT');
  await checkCache();
  expect((await readdir(join(cache, 'release'))).filter((name) => name.startsWith('.'))).toEqual([]);
});

test.each([
  ['an unknown version', ['--kubernetes', '1.99'], 6, /does not know what Kubernetes 1\.99 runs with/],
  [
    'an unknown version without a server',
    ['--source', 'auto', '--kubernetes', '1.99', '--mirror', 'http://127.0.0.1:1'],
    6,
    /does not know what Kubernetes 1\.99 runs with.*\n.*--kubernetes 1\.37/,
  ],
  ['a folder instead of a bundle', ['--from', '/usr'], 6, /\/usr is a folder, not a bundle\n.*--bundle FILE/],
  [
    'a word that is no version',
    ['--kubernetes', 'newest'],
    2,
    /kubernetes: expected a version like 1\.36 or 1\.36\.2/,
  ],
  ['a mirror that is no URL', ['--mirror', 'files'], 2, /mirror: expected a URL like/],
  [
    'a mirror that is not there',
    ['--mirror', 'http://127.0.0.1:1'],
    6,
    /cannot download .*: connection refused/,
  ],
  [
    'an architecture without a build',
    ['--bundle', '/nowhere/x', '--arch', 'riscv64'],
    6,
    /no official release for riscv64/,
  ],
  ['a bundle that is not there', ['--from', '/nowhere/x'], 6, /cannot read the bundle \/nowhere\/x/],
  ['two wishes at once', ['--from', 'x', '--bundle', 'y'], 2, /cannot be used with option/],
])(
  '%s is one message',
  async (_name, more, code, message) => {
    const { exitCode, stderr } = await run(...more);
    expect(String(stderr)).toMatch(message);
    expect(String(stderr).match(/k8s-single: |error: /g)).toHaveLength(1);
    expect(exitCode).toBe(code);
    expect(await checkCache()).toBe(0);
  },
  120_000,
);

test('where no name server answers, it says so within seconds and ends', async () => {
  await writeFile(join(dir, 'resolv.conf'), 'nameserver 127.0.0.1\n');
  const mute = "require('node:dgram').createSocket('udp4').bind(53, '127.0.0.1')";
  const script = `ip link set lo up
mount --no-mtab --bind ${join(dir, 'resolv.conf')} "$(readlink -f /etc/resolv.conf)"
"$0" -e "${mute}" & trap 'kill $!' EXIT
"$0" "$@"`;
  const command = [process.execPath, main, 'install', '--bin-dir', machine, '--kubernetes', '1.36'];
  const child = execa('unshare', ['--net', '--mount', 'sh', '-c', script, ...command], {
    env: { XDG_CACHE_HOME: dir },
    reject: false,
  });
  let saidAt = Infinity;
  child.stderr.once('data', () => (saidAt = performance.now()));
  const { stderr } = await child;
  expect(stderr).toMatch(
    /no connection to dl\.k8s\.io: it does not answer, and Debian offers Kubernetes 1\.20\.2 only/,
  );
  // Two attempts of the resolver take 10 s (resolv.conf(5)).
  expect(performance.now() - saidAt).toBeLessThan(3000);
});

describe('a machine without iptables and conntrack', () => {
  const missing = nodeBinaries.flatMap((binary) =>
    'debianPackage' in binary && ['iptables', 'conntrack'].includes(binary.debianPackage)
      ? [binary.name]
      : [],
  );

  /** Runs the command where there are no such programs, and dnf is the package manager. */
  async function onFedora(...words: string[]) {
    const [over, bin] = [join(dir, 'over'), join(dir, 'dnf')];
    await mkdir(bin);
    await mkdir(over);
    await writeFile(join(bin, 'dnf'), '#!/bin/sh\n', { mode: 0o755 });
    // A device 0/0 hides a file of the lower folder: docs.kernel.org, overlayfs.
    const script = `set -e; mount --no-mtab -t tmpfs tmpfs ${over}
for folder in /usr/bin /usr/sbin /usr/local/bin; do
  up=${over}$folder; mkdir -p $up/upper $up/work
  for name in apt-get ${missing.join(' ')}; do mknod $up/upper/$name c 0 0; done
  mount --no-mtab -t overlay -o lowerdir=$folder,upperdir=$up/upper,workdir=$up/work overlay $folder
done
exec "$0" "$@"`;
    const command = ['--mount', 'sh', '-c', script, process.execPath, main, ...words];
    const path = `${bin}:${process.env['PATH']}`;
    return await execa('unshare', command, { env: { ...env(), PATH: path }, reject: false });
  }

  test('is told so before anything is downloaded', async () => {
    const { exitCode, stderr } = await onFedora('install', '--source', 'release', '--kubernetes', version);
    expect(stderr).toBe(
      `k8s-single: missing: ${missing.join(', ')}; no official release has them, and this machine has no apt-get\n` +
        '  dnf install iptables-nft conntrack-tools',
    );
    expect(exitCode).toBe(6);
    expect(server.requests).toEqual([]);
  });

  test('is told so before a bundle is unpacked', async () => {
    const { exitCode, stderr } = await onFedora('install', '--from', '/nowhere.tar');
    expect(stderr).toMatch(/missing: iptables, .*\n {2}dnf install iptables-nft conntrack-tools$/);
    expect(exitCode).toBe(6);
    expect(await checkCache()).toBe(0);
  });

  test('is told so by doctor', async () => {
    const { exitCode, stdout } = await onFedora('doctor', '--name', 'no-iptables');
    expect(stdout).toMatch(/✗ iptables +missing\n +→? ?dnf install iptables-nft\n/);
    expect(stdout).toMatch(/✗ conntrack +missing\n +→? ?dnf install conntrack-tools\n/);
    expect(exitCode).toBe(3);
  });
});

test('progress for programs is JSON Lines, with bytes', async () => {
  const { stdout } = await run('--output', 'json');
  const lines = String(stdout)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string; label?: string; name?: string; transfer?: object });
  expect(lines.find(({ label, transfer }) => label === 'kubelet' && transfer)?.transfer).toMatchObject({
    total: fakeProgram(version).length,
  });
  expect(lines.filter(({ type }) => type === 'binary').map(({ name }) => name)).toEqual([
    ...nodeBinaries.map(({ name }) => name),
    'coredns',
  ]);
});

test('without a terminal, each file has a line when it is done', async () => {
  const { stderr } = await run();
  for (const name of ['kubelet', 'etcd 3.6.14', 'Kubernetes 1.36.99']) {
    expect(String(stderr)).toMatch(new RegExp(`${name.replaceAll('.', String.raw`\.`)}: done in`));
  }
});

test('the command itself downloads through TLS, with a CA of the environment', async () => {
  const { key, cert, caFile } = await certificate();
  const secure = await releaseServer(files, { key, cert });
  const program = join(import.meta.dirname, '../../bin/k8s-single');
  const { exitCode, all } = await execa(program, args('--source', 'release', '--mirror', secure.url), {
    env: { ...env(), NODE_EXTRA_CA_CERTS: caFile },
    reject: false,
    all: true,
  });
  expect(exitCode, all).toBe(0);
  expect(await checkCache()).toBeGreaterThan(10);
});

test('which source was taken, and why, is one line', async () => {
  const { exitCode, stderr } = await cli(args(), { env: env() });
  expect(exitCode).toBe(0);
  expect(String(stderr)).toMatch(new RegExp(` {2}official releases: ${server.url} answers$`, 'm'));
});

test('what is in the cache can be listed and pruned', async () => {
  await run();
  const list = String((await cli(['install', '--list'], { env: env() })).stdout);
  expect(list).toMatch(new RegExp(`^release/kubernetes-1\\.36\\.99-${arch} +\\d+ KiB$`, 'm'));
  const { stdout, stderr } = await cli(['install', '--prune'], { env: env() });
  expect(String(stdout)).toContain(`removed release/kubernetes-1.36.99-${arch}, `);
  expect(String(stderr)).toMatch(/ freed$/);
});
