import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { createWriteStream } from 'node:fs';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { stringify } from 'yaml';
import { debianRoot } from '../config/debianRoot.ts';
import { Unhealthy } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import { pkiPaths } from '../../src/kubernetes/pki/paths.ts';
import type { CertificateFiles } from '../../src/kubernetes/pki/paths.ts';

export const login = { username: 'puller', password: 's3cret-pull' } as const;
/** By bcrypt: what `htpasswd -B` prints for {@link login}. */
const passwords = `${login.username}:$2b$04$abcdefghijklmnopqrstuuNr99fprRU/ZoWbzc1bhhKn0rAgjkfK.\n`;

/** With pasta of the tests that need one, so that Debian's packages are unpacked once. */
export const registryPackages = ['docker-registry', 'skopeo', 'passt'] as const;

export interface Registry extends AsyncDisposable {
  /** Host and port, as in an image's name. */
  readonly host: string;
  /** Copies the image of an archive of `docker save` or of a folder in OCI layout (`oci:DIR`). Resolves with its digest. */
  push(from: string, name: string): Promise<string>;
  /** The lines of its log so far. */
  log(): Promise<string[]>;
}

interface RegistryOptions {
  /** Its folder, which is made. */
  readonly dir: string;
  readonly address: string;
  readonly port: number;
  readonly tls?: CertificateFiles;
  /** The file of the CA that signs the certificates of clients, which then have to have one. */
  readonly clientCa?: string;
  /** Who must log in with {@link login}. Default: nobody. */
  readonly hasLogin?: boolean;
  /** In front of its command and that of skopeo: enters a namespace. */
  readonly enter?: readonly string[];
}

/** Debian's docker-registry, in front of a folder. */
export async function startRegistry(options: RegistryOptions): Promise<Registry> {
  const { dir, address, port, tls, clientCa, hasLogin = false, enter = [] } = options;
  const { root, path, env } = await debianRoot(registryPackages);
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, 'htpasswd'), passwords);
  const config = {
    version: '0.1',
    log: { level: 'info' },
    storage: { filesystem: { rootdirectory: join(dir, 'data') } },
    http: {
      addr: `${address}:${port}`,
      ...(tls && {
        tls: { certificate: tls.cert, key: tls.key, ...(clientCa && { clientcas: [clientCa] }) },
      }),
    },
    ...(hasLogin && { auth: { htpasswd: { realm: 'test', path: join(dir, 'htpasswd') } } }),
  };
  await writeFile(join(dir, 'config.yml'), stringify(config));
  const logFile = join(dir, 'log');
  const log = createWriteStream(logFile);
  await once(log, 'open');
  const [command, ...args] = [
    ...enter,
    join(root, 'usr/bin/docker-registry'),
    'serve',
    join(dir, 'config.yml'),
  ];
  const child = spawn(command, args, { stdio: ['ignore', log, log] });
  await listening(child, logFile);
  const host = `${address}:${port}`;
  return {
    host,
    async push(from, name) {
      const digest = join(dir, 'digest');
      const source = from.includes(':') ? from : `docker-archive:${from}`;
      const skopeo = [
        'skopeo',
        '--insecure-policy',
        'copy',
        '--all',
        '--quiet',
        '--digestfile',
        digest,
        '--dest-tls-verify=false',
      ];
      const credentials = hasLogin ? ['--dest-creds', `${login.username}:${login.password}`] : [];
      const client = tls === undefined ? [] : ['--dest-cert-dir', await certDir(dir, tls)];
      const [program, ...rest] = [
        ...enter,
        ...skopeo,
        ...credentials,
        ...client,
        source,
        `docker://${host}/${name}`,
      ];
      await execa(program, rest, { env: { ...env, PATH: `${path}:${process.env['PATH']}` } });
      return (await readFile(digest, 'utf8')).trim();
    },
    log: async () => (await readFile(logFile, 'utf8')).split('\n'),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    },
  };
}

/** With the certificate of a client, beside that of the server. */
async function certDir(dir: string, { cert }: CertificateFiles): Promise<string> {
  const folder = join(dir, 'certs');
  const { admin } = pkiPaths(dirname(cert));
  await mkdir(folder, { recursive: true });
  await copyFile(admin.cert, join(folder, 'client.cert'));
  await copyFile(admin.key, join(folder, 'client.key'));
  return folder;
}

async function listening(child: ChildProcess, logFile: string): Promise<void> {
  const probe = async (): Promise<void> => {
    const log = await readFile(logFile, 'utf8');
    if (child.exitCode !== null) throw new Error(`the registry does not start: ${log}`);
    if (!log.includes('listening on')) throw new Unhealthy('not yet');
  };
  await until(probe, { timeoutMs: 20_000 }, new AbortController().signal);
}
