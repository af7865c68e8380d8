import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { onTestFinished } from 'vitest';
import { publishedBinaries } from '../../src/install/find/binaries.ts';
import { releaseArch } from '../../src/install/release/assets.ts';
import type { Asset } from '../../src/install/release/assets.ts';
import { assetsOf } from '../../src/install/release/release.ts';
import { tempDir } from './cli.ts';

/** Published files by their path on a mirror: `dl.k8s.io/release/...`. */
export type Published = Map<string, Buffer>;

/** Sends what it likes for a request, or returns false for the ordinary answer. */
type Misbehaviour = (
  request: IncomingMessage,
  response: ServerResponse,
  file: Buffer | undefined,
) => boolean | Promise<boolean>;

export interface ReleaseServer {
  /** The base of the mirror. */
  readonly url: string;
  /** `path` of each request, with ` from N` when it asked for a part. */
  readonly requests: string[];
  /** Set to make it misbehave. */
  misbehave: Misbehaviour;
  /** The bytes of files that were sent. */
  sent: number;
}

/** A server of published files on loopback, until the end of the test: a mirror, with Range. */
export async function releaseServer(
  files: Published,
  tls?: ServerOptions,
): Promise<ReleaseServer & { readonly close: () => void }> {
  const listener: RequestListener = (request, response) => void answer(request, response);
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  const self = { url: '', requests: [] as string[], misbehave: (() => false) as Misbehaviour, sent: 0 };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    response.on('error', () => undefined);
    const path = decodeURIComponent(new URL(request.url ?? '/', self.url).pathname.slice(1));
    const [, from] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? [];
    self.requests.push(from === undefined ? path : `${path} from ${from}`);
    const file = files.get(path);
    if (await self.misbehave(request, response, file)) return;
    if (file === undefined) return void response.writeHead(404).end('not found');
    const first = Number(from ?? 0);
    if (first >= file.length && first > 0) return void response.writeHead(416).end();
    const part = file.subarray(first);
    self.sent += part.length;
    response.writeHead(from === undefined ? 200 : 206, {
      'content-length': part.length,
      ...(from !== undefined && { 'content-range': `bytes ${first}-${file.length - 1}/${file.length}` }),
    });
    response.end(part);
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  self.url = tls === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`;
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  try {
    onTestFinished(close);
  } catch {
    // In a hook: its owner closes it.
  }
  return Object.assign(self, { close });
}

/** A program that prints this version, whatever its arguments, with bytes of no meaning after its end. */
export function fakeProgram(version: string, bytes = 100_000): Buffer {
  const text = `#!/bin/sh\necho "Kubernetes v${version} CNI bridge plugin v${version} CoreDNS-${version}"\nexit 0\n`;
  const rest = Buffer.alloc(bytes);
  // Not compressible, and the same each time.
  for (let i = 0, state = 7; i < bytes; i++) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    rest[i] = 33 + ((state >> 16) % 90);
  }
  return Buffer.concat([Buffer.from(text), rest]);
}

/** What each asset holds, by its binaries: the version is that of the asset, or a file of this machine. */
export type Contents = (name: string, asset: Asset) => Promise<Buffer> | Buffer;

/** The files of all publishers for a version of Kubernetes, in their layouts and with their checksums. */
export async function publish(
  kubernetes: string,
  contents: Contents = (_name, { version }) => fakeProgram(version),
  arch = releaseArch(),
): Promise<Published> {
  const { assets } = assetsOf(publishedBinaries, kubernetes, arch);
  const files: Published = new Map();
  for (const asset of assets) {
    const path = `${asset.host}/${asset.path}`;
    const file =
      asset.contents === undefined ? await contents(asset.name, asset) : await archive(asset, contents);
    files.set(path, file);
    addChecksum(files, asset, file);
  }
  const minor = kubernetes.split('.').slice(0, 2).join('.');
  for (const marker of ['stable', 'latest', `stable-${minor}`]) {
    files.set(`dl.k8s.io/release/${marker}.txt`, Buffer.from(`v${kubernetes}\n`));
  }
  return files;
}

/** In the format of the publisher. */
export function addChecksum(files: Published, asset: Asset, file: Buffer): void {
  const hex = createHash('sha256').update(file).digest('hex');
  const name = asset.path.split('/').at(-1) ?? '';
  const text =
    asset.host === 'dl.k8s.io'
      ? hex
      : asset.name === 'runc'
        ? clearSigned(`${hex} *${name}`)
        : `${hex}  ${name}\n`;
  files.set(`${asset.host}/${asset.checksums[0]}`, Buffer.from(text));
}

/** As runc's releases have it (RFC 4880, section 7). */
function clearSigned(line: string): string {
  const other = `${'0'.repeat(64)} *runc.riscv64`;
  return `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n${other}\n${line}\n-----BEGIN PGP SIGNATURE-----\n\niQIz\n=abcd\n-----END PGP SIGNATURE-----\n`;
}

async function archive(asset: Asset, contents: Contents): Promise<Buffer> {
  const dir = await mkdtemp(join(tmpdir(), 'k8s-single-archive-'));
  try {
    for (const [target, source] of Object.entries(asset.contents ?? {})) {
      const file = join(dir, 'root', source);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, await contents(target.split('/').at(-1) ?? '', asset));
      await chmod(file, 0o755);
    }
    // With `./` before each name, as some publishers have it.
    await execa('tar', ['-czf', join(dir, 'archive'), '-C', join(dir, 'root'), '.']);
    return await readFile(join(dir, 'archive'));
  } finally {
    await rm(dir, { recursive: true });
  }
}

/** A certificate for `localhost` and this name, which is its own CA, in a file. */
export async function certificate(
  name = 'localhost',
): Promise<{ key: Buffer; cert: Buffer; caFile: string }> {
  const dir = await tempDir('certificate');
  const [key, caFile] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
  const names = `subjectAltName=DNS:localhost,DNS:${name}`;
  const args = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  await execa('openssl', [
    'req',
    ...args,
    '-subj',
    `/CN=${name}`,
    '-addext',
    names,
    '-keyout',
    key,
    '-out',
    caFile,
  ]);
  return { key: await readFile(key), cert: await readFile(caFile), caFile };
}
