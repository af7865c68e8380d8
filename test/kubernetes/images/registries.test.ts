import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cri } from '../../../probes/kinds/cri.ts';
import { until } from '../../../probes/until.ts';
import { parseConfig } from '../../../src/config/yaml/parseConfig.ts';
import type { Binaries } from '../../../src/install/install.ts';
import { containerd as containerdOf } from '../../../src/kubernetes/components/containerd.ts';
import { Failure } from '../../../src/lib/errors.ts';
import { imageStore } from '../../../src/kubernetes/images/imageStore.ts';
import type { Containerd } from '../../../src/kubernetes/images/imageStore.ts';
import { pullImage } from '../../../src/kubernetes/images/pull.ts';
import { ensurePki } from '../../../src/kubernetes/pki/pki.ts';
import { factsOf, unknownHost } from '../../../src/supervisor/nodeFacts.ts';
import { busyboxArchive } from '../../support/busybox.ts';
import { testBinaries } from '../../support/installBinaries.ts';
import { ociLayout } from '../../support/ociLayout.ts';
import { identity } from '../../support/pki.ts';
import { login, startRegistry } from '../../support/registry.ts';
import type { Registry } from '../../support/registry.ts';

// A real containerd, configured as on a node, pulls from real registries on loopback.

const name = 'unit-registries';
const signal = new AbortController().signal;
/** Last first. */
const ends: (() => unknown)[] = [];
let dir = '';
let containerd: Containerd;
let secure: Registry;
let plain: Registry;
let digest = '';
/** Of containerd. */
const log: Buffer[] = [];

async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

beforeAll(async () => {
  dir = await mkdtemp('/var/tmp/k8s-single-registries-');
  const pki = await ensurePki({ ...identity, dir: join(dir, 'pki') });
  const address = '127.0.0.1';
  secure = await startRegistry({
    dir: join(dir, 'secure'),
    address,
    port: await freePort(),
    tls: pki.apiserver,
    clientCa: pki.ca.cert,
    hasLogin: true,
  });
  ends.push(() => secure[Symbol.asyncDispose]());
  plain = await startRegistry({ dir: join(dir, 'plain'), address, port: await freePort() });
  ends.push(() => plain[Symbol.asyncDispose]());
  const busy = createServer((_, response) => response.writeHead(429).end()).listen(0, address);
  ends.push(() => busy.close());
  await once(busy, 'listening');

  const archive = await busyboxArchive(dir, 'app:1');
  digest = await secure.push(archive, 'team/app:1');
  await plain.push(archive, 'cache/library/app:1');
  await plain.push(archive, 'library/app:2');
  const other = await ociLayout(join(dir, 'other'));
  await other.finish([await other.image('x', { architecture: 's390x' })]);
  await plain.push(`oci:${other.dir}`, 'library/other:1');
  const several = await ociLayout(join(dir, 'several'));
  const variants = [];
  for (const architecture of ['s390x', 'riscv64']) {
    const image = await several.image(architecture, { architecture });
    variants.push({ ...image, platform: { os: 'linux', architecture } });
  }
  await several.finish([await several.index(variants)]);
  await plain.push(`oci:${several.dir}`, 'library/several:1');

  await writeFile(join(dir, 'login'), `${login.username}:${login.password}\n`);
  const guardedPort = await freePort();
  const guarded = await startRegistry({
    dir: join(dir, 'guarded'),
    address,
    port: guardedPort,
    hasLogin: true,
  });
  ends.push(() => guarded[Symbol.asyncDispose]());
  await writeFile(join(dir, 'wrong'), `${login.username}:mistaken\n`);
  const auth = Buffer.from(`${login.username}:${login.password}`).toString('base64');
  await writeFile(
    join(dir, 'config.json'),
    JSON.stringify({ auths: { [`https://${plain.host}/v1/`]: { auth } } }),
  );
  const down = await freePort();
  const tls = `ca: ${pki.ca.cert}, cert: ${pki.admin.cert}, key: ${pki.admin.key}`;
  const settings = `
name: ${name}
dataDir: ${dir}/data
registries:
  ${secure.host}: { ${tls}, credentials: ${dir}/login }
  mirrored.invalid: { mirrors: ["https://${secure.host}"], upstream: false }
  docker.io: { mirrors: ["http://${plain.host}/v2/cache", "http://${plain.host}"], upstream: false }
  untrusted.invalid: { mirrors: ["https://localhost:${secure.host.split(':')[1]}"], upstream: false }
  down.invalid: { mirrors: ["http://127.0.0.1:${down}"], upstream: false }
  fallback.invalid: { mirrors: ["http://127.0.0.1:${down}", "http://${plain.host}"], upstream: false }
  busy.invalid: { mirrors: ["http://127.0.0.1:${(busy.address() as AddressInfo).port}"], upstream: false }
  ${guarded.host}: { credentials: ${dir}/wrong }
  ${plain.host}: { credentials: ${dir}/config.json }
  refused.invalid: { mirrors: ["http://${guarded.host}"], upstream: false }
  "*": { mirrors: ["http://${plain.host}"], upstream: false }
`;
  await startContainerd(settings);
});
afterAll(async () => {
  for (const end of ends.toReversed()) await end();
  await rm(dir, { recursive: true });
  await rm(`/run/k8s-single/${name}`, { recursive: true });
});

async function startContainerd(settings: string): Promise<void> {
  const { node } = parseConfig(settings, 'c.yaml');
  const files = await testBinaries('containerd', 'ctr');
  const { stdout } = await execa(files.containerd, ['--version']);
  const version = / v?(\d+\.\d+\.\d+)/.exec(stdout)![1]!;
  const binaries = {
    files: { ...files, cni: '/none' },
    versions: { containerd: version, etcd: '', 'kube-apiserver': '' },
    searchPath: process.env['PATH'],
  } as unknown as Binaries;
  const facts = factsOf(node, binaries, { ...unknownHost, snapshotter: 'native' });
  const component = containerdOf(facts, []);
  const command = typeof component.command === 'function' ? await component.command() : component.command;
  await mkdir(facts.paths.run, { recursive: true });
  const child = spawn(command.file, command.args, { env: command.env, stdio: ['ignore', 'ignore', 'pipe'] });
  child.stderr.on('data', (chunk: Buffer) => log.push(chunk));
  ends.push(async () => {
    child.kill('SIGTERM');
    if (child.exitCode === null) await once(child, 'exit');
  });
  await until(cri(facts.paths.containerdSocket), { timeoutMs: 20_000 }, signal);
  containerd = { ctr: files.ctr, socket: facts.paths.containerdSocket, env: facts.env };
}

const pull = async (image: string): Promise<void> => pullImage(containerd, image, signal, () => undefined);

describe('a pull succeeds', () => {
  it.each([
    ['with a CA, a client certificate and a login', () => `${secure.host}/team/app:1`],
    ['by digest', () => `${secure.host}/team/app@${digest}`],
    ['from a mirror with the settings of its own host', () => 'mirrored.invalid/team/app:1'],
    ['from a mirror with a path of the API', () => 'docker.io/library/app:1'],
    ['from the second mirror, as the first does not have it', () => 'docker.io/library/app:2'],
    ['from the second mirror, as the first is down', () => 'fallback.invalid/library/app:2'],
    ['from the mirror of all others', () => 'other.invalid/library/app:2'],
  ])('%s', async (_, image) => {
    await pull(image());
    const names = (await imageStore(containerd).list()).map((each) => each.name);
    if (!image().includes('@')) expect(names).toContain(image());
  });
});

describe('a pull that fails says why', () => {
  it.each([
    [
      'a registry that is down',
      'down.invalid/app:1',
      /^127\.0\.0\.1:\d+ does not answer: connection refused$/,
      /is the registry up/,
    ],
    [
      'another CA',
      'untrusted.invalid/team/app:1',
      /^the certificate of localhost:\d+ is signed by a CA/,
      /registries\."localhost:\d+"\.ca/,
    ],
    [
      'another password',
      'refused.invalid/team/app:1',
      /^127\.0\.0\.1:\d+ refuses the pull: refused.invalid\/team\/app:1 needs a login/,
      /credentials/,
    ],
    [
      'a rate limit',
      'busy.invalid/app:1',
      /^127\.0\.0\.1:\d+ allows no more pulls for now: its rate limit/,
      /credentials/,
    ],
    [
      'an image for another platform',
      'docker.io/library/other:1',
      /^it is not for this machine's platform, linux\/\w+, only for linux\/s390x$/,
      /push it/,
    ],
    [
      'an image for several other platforms',
      'docker.io/library/several:1',
      /^it is not for this machine's platform, linux\/\w+$/,
      /push it/,
    ],
    [
      'an unknown tag',
      'docker.io/library/app:none',
      /^there is no image docker.io\/library\/app:none$/,
      /tag/,
    ],
    ['an unknown name', 'other.invalid/none:1', /^there is no image other.invalid\/none:1$/, /name/],
    ['what is no name', 'docker.io/Not A Name', /is not the name of an image$/, undefined],
  ])('%s', async (_, image, reason, remedy) => {
    const failure = await pull(image).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(Failure);
    const { code, message, hint } = failure as Failure;
    expect({ code, hint }).toEqual({ code: 'install', hint: remedy && expect.stringMatching(remedy) });
    expect(message.replace(`${image} cannot be pulled: `, '')).toMatch(reason);
  });

  it('and leaves at once when it is interrupted', async () => {
    const interrupted = new AbortController();
    const pulling = pullImage(containerd, 'docker.io/library/app:1', interrupted.signal, () => undefined);
    interrupted.abort(new Error('Ctrl-C'));
    await expect(pulling).rejects.toThrow('Ctrl-C');
  });
});

it('an image that was pulled is saved as an archive that docker and a node read', async () => {
  await pull('docker.io/library/app:1');
  const file = join(dir, 'saved.tar');
  const store = imageStore(containerd);
  await store.save(['docker.io/library/app:1'], createWriteStream(file), signal);
  await store.remove('docker.io/library/app:1');
  const registry = await plain.push(file, 'library/again:1');
  expect(registry).toMatch(/^sha256:/);
  expect(await store.load(file)).toEqual(['docker.io/library/app:1']);
  await expect(
    store.save(['docker.io/library/none:1'], createWriteStream('/dev/null'), signal),
  ).rejects.toThrow(/none:1.*not found/);
});

it('an image whose layer was unpacked for another one has no archive, and the error says so', async () => {
  const folder = join(dir, 'shared');
  await mkdir(join(folder, 'root'), { recursive: true });
  await writeFile(join(folder, 'root/shared'), '');
  const archive = await busyboxArchive(folder, 'docker.io/library/shared:1');
  const store = imageStore(containerd);
  await store.load(archive);
  await plain.push(archive, 'library/shared:2');
  await pull('docker.io/library/shared:2');
  const saving = store.save(['docker.io/library/shared:2'], createWriteStream('/dev/null'), signal);
  await expect(saving).rejects.toMatchObject({ code: 'usage', message: expect.stringContaining('a layer') });
});

it('passwords are in one file, which only root reads', async () => {
  const config = join(dir, 'data/containerd/config.toml');
  expect((await stat(config)).mode & 0o777).toBe(0o600);
  expect(await readFile(config, 'utf8')).toContain(login.password);
  const { stdout } = await execa('grep', [
    '--recursive',
    '--files-with-matches',
    login.password,
    join(dir, 'data'),
  ]);
  expect(stdout).toBe(config);
  // Not even with its config, which containerd logs.
  const text = Buffer.concat(log).toString();
  expect(text).toContain('PullImage');
  expect(text).not.toContain(login.password);
});
