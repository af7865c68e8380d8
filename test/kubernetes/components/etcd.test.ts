import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readdir, rm, stat, truncate } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { httpClient } from '../../../probes/transport/httpClient.ts';
import type { HttpRequestOptions } from '../../../probes/transport/httpClient.ts';
import { until } from '../../../probes/until.ts';
import { parseConfig } from '../../../src/config/yaml/parseConfig.ts';
import type { Command } from '../../../src/engine/component.ts';
import { nodeBinaries } from '../../../src/install/find/binaries.ts';
import type { Binaries } from '../../../src/install/install.ts';
import { etcd } from '../../../src/kubernetes/components/etcd.ts';
import { etcdGateway, toBase64 } from '../../../src/kubernetes/etcdGateway.ts';
import { withEtcd } from '../../../src/kubernetes/snapshots/privateEtcd.ts';
import { ensureEtcdPki, ensurePki } from '../../../src/kubernetes/pki/pki.ts';
import { pkiPaths } from '../../../src/kubernetes/pki/paths.ts';
import type { CertificateFiles } from '../../../src/kubernetes/pki/paths.ts';
import { factsOf, unknownHost } from '../../../src/supervisor/nodeFacts.ts';
import { tempDir } from '../../support/cli.ts';
import { testBinaries } from '../../support/installBinaries.ts';
import { identity } from '../../support/pki.ts';

const { signal } = new AbortController();

let program = '';
let version = '';
beforeAll(async () => {
  program = (await testBinaries('etcd'))['etcd']!;
  version = /(\d+\.\d+\.\d+)/.exec((await execa(program, ['--version'])).stdout)![1]!;
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** The component of a real node with data in a temporary folder. */
async function component() {
  const data = join(await tempDir('etcd'), 'data');
  const [port, peerPort] = [await freePort(), await freePort()];
  const config = `dataDir: ${data}\nnetwork: { etcdPort: ${port}, etcdPeerPort: ${peerPort} }`;
  const { node } = parseConfig(config, 'c.yaml');
  const binaries = {
    files: Object.fromEntries(nodeBinaries.map(({ name }) => [name, program])),
    versions: { etcd: version },
    searchPath: '/bin',
  } as unknown as Binaries;
  const facts = factsOf(node, binaries, { ...unknownHost, ip: '172.30.7.2' });
  return { service: etcd(facts, []), paths: facts.paths, pki: pkiPaths(facts.paths.pki), port, peerPort };
}

/** Runs it until the test ends, or until it is disposed of. */
function run({ file, args, env }: Pick<Command, 'file' | 'args' | 'env'>): AsyncDisposable {
  const child = spawn(file, args, { env, stdio: 'ignore' });
  const exited = once(child, 'exit');
  const end = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
  };
  onTestFinished(end);
  return { [Symbol.asyncDispose]: end };
}

/** Starts the component as the supervisor does, and waits until its probe passes. */
async function start({ service }: Awaited<ReturnType<typeof component>>): Promise<AsyncDisposable> {
  const { command, ready, live } = service;
  const running = run(typeof command === 'function' ? await command() : command);
  await until(ready, { timeoutMs: 20_000 }, signal);
  await live!(signal);
  return running;
}

/** Sends a request of etcd's gateway for JSON. */
async function call(url: string, body: object, tls: HttpRequestOptions): Promise<string> {
  const options = { ...tls, method: 'POST', body: JSON.stringify(body) } as const;
  return (await httpClient(url, options)(signal)).body;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

test('both ports admit clients of its own CA only, and no plain ones', async () => {
  const node = await component();
  await start(node);
  const { pki, paths, port, peerPort } = node;
  // Those of the rest of the node are of another CA.
  await ensurePki({ ...identity, dir: paths.pki });
  const ca = pki.etcdCa.cert;
  for (const [url, path] of [
    [`127.0.0.1:${port}`, '/health'],
    [`127.0.0.1:${peerPort}`, '/members'],
  ]) {
    const get = async (scheme: string, tls: HttpRequestOptions) =>
      httpClient(`${scheme}://${url}${path}`, tls)(signal);
    await expect(get('https', { ca, ...pki.apiserverEtcd })).resolves.toMatchObject({ status: 200 });
    await expect(get('https', { ca })).rejects.toThrow();
    await expect(get('https', { ca, ...pki.admin })).rejects.toThrow();
    // The peer port closes the connection.
    await expect(
      get('http', {}).then(
        ({ status }) => status,
        () => 400,
      ),
    ).resolves.toBe(400);
  }
  expect((await stat(paths.etcd)).mode & 0o777).toBe(0o700);
});

test('data of a version without TLS is taken over, and its folder closed', async () => {
  const node = await component();
  const { paths, pki, port, peerPort } = node;
  await mkdir(paths.etcd, { recursive: true });
  const [client, peer] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${peerPort}`];
  const plain = run({
    file: program,
    args: [
      `--data-dir=${paths.etcd}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=default=${peer}`,
    ],
    env: {},
  });
  const health = async (): Promise<void> => void (await httpClient(`${client}/health`)(signal));
  await until(health, { timeoutMs: 20_000 }, signal);
  await call(`${client}/v3/kv/put`, { key: base64('k'), value: base64('before') }, {});
  await plain[Symbol.asyncDispose]();
  await chmod(paths.etcd, 0o755);

  await start(node);
  const tls = { ca: pki.etcdCa.cert, ...pki.apiserverEtcd };
  const found = await call(`https://127.0.0.1:${port}/v3/kv/range`, { key: base64('k') }, tls);
  expect(found).toContain(base64('before'));
  expect((await stat(paths.etcd)).mode & 0o777).toBe(0o700);
  await expect(stat(pki.ca.cert)).rejects.toThrow('ENOENT');
});

test.each([
  ['a certificate is missing', 'apiserverEtcd', async ({ cert }: CertificateFiles) => rm(cert)],
  ['a key is cut off', 'etcd', async ({ key }: CertificateFiles) => truncate(key, 30)],
  ['the CA has lost its key', 'etcdCa', async ({ key }: CertificateFiles) => rm(key)],
  ['the CA is cut off', 'etcdCa', async ({ cert }: CertificateFiles) => truncate(cert, 30)],
] as const)('it starts again when %s', async (_, name, damage) => {
  const node = await component();
  await ensureEtcdPki({ dir: node.paths.pki });
  await damage(node.pki[name]);
  await start(node);
});

test('certificates that are made again while etcd runs are used by both sides', async () => {
  const node = await component();
  await start(node);
  const { pki, paths } = node;
  for (const { key } of [pki.etcd, pki.apiserverEtcd]) await rm(key);
  await ensurePki({ ...identity, dir: paths.pki });
  const url = `https://127.0.0.1:${node.port}/health`;
  const { body } = await httpClient(url, { ca: pki.etcdCa.cert, ...pki.apiserverEtcd })(signal);
  expect(body).toContain('true');
});

test('data whose write-ahead log has lost a segment is refused with its name', async () => {
  const { service, paths } = await component();
  const { command } = service;
  if (typeof command !== 'function') throw new Error('a function was expected');
  const env = { PATH: process.env['PATH'] ?? '', ETCD_UNSUPPORTED_ARCH: 'arm64' };
  await withEtcd({ file: program, env }, paths.etcd, signal, async (access) => {
    const value = Buffer.alloc(500_000).toString('base64');
    await etcdGateway(access)('kv/put', { key: toBase64('large'), value }, signal);
  });
  await command();
  const wal = join(paths.etcd, 'member/wal');
  const segment = (await readdir(wal)).find((name) => name.endsWith('.wal')) ?? '';
  await truncate(join(wal, segment), 0);
  await expect(command()).rejects.toThrow(`${join(wal, segment)} is empty: the last writes to`);
  await rm(join(wal, segment));
  await expect(command()).rejects.toThrow(`${wal} has lost its files`);
});
