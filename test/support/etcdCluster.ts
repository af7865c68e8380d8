import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { foreignAuthority, openssl, p256 } from './pki.ts';
import { testBinaries } from './installBinaries.ts';

/** A real etcd of several members with TLS, which admit only clients with a certificate. No member runs at first. */
export interface EtcdCluster extends AsyncDisposable {
  /** The port for clients of each member, on all addresses. */
  readonly ports: readonly number[];
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
  /** Starts those of these members that do not run, with the data that they have. */
  start(...members: readonly number[]): void;
  /** Ends a member by SIGKILL. */
  kill(member: number): Promise<void>;
}

interface ClusterOptions {
  /** Its folder, which is made. */
  readonly dir: string;
  /** The name under which clients reach the members. */
  readonly host: string;
  readonly ports: readonly number[];
  /** In front of its command: enters a namespace. */
  readonly enter: readonly [string, ...string[]];
}

export async function etcdCluster({ dir, host, ports, enter }: ClusterOptions): Promise<EtcdCluster> {
  await mkdir(dir, { mode: 0o700 });
  const { etcd } = await testBinaries('etcd');
  const ca = { cert: join(dir, 'ca.crt'), key: join(dir, 'ca.key') };
  await foreignAuthority(ca, '/CN=etcd', ...p256);
  const issue = async (name: string, usage: string, ...more: string[]): Promise<void> => {
    const files = ['-out', join(dir, `${name}.crt`), '-keyout', join(dir, `${name}.key`)];
    const signed = ['req', '-x509', '-CA', ca.cert, '-CAkey', ca.key, '-days', '30', ...p256];
    const extensions = [`extendedKeyUsage=${usage}`, 'basicConstraints=critical,CA:FALSE', ...more];
    const added = extensions.flatMap((extension) => ['-addext', extension]);
    await openssl(...signed, ...files, '-subj', `/CN=${name}`, ...added);
  };
  await issue('member', 'serverAuth,clientAuth', `subjectAltName=DNS:${host},DNS:localhost,IP:127.0.0.1`);
  await issue('client', 'clientAuth');
  const peer = (member: number): string => `https://127.0.0.1:${ports[member]! + 1}`;
  const cluster = ports.map((_, member) => `member-${member}=${peer(member)}`).join(',');
  const tls = (prefix: string): string[] => [
    `--${prefix}cert-file=${join(dir, 'member.crt')}`,
    `--${prefix}key-file=${join(dir, 'member.key')}`,
    `--${prefix}trusted-ca-file=${ca.cert}`,
    `--${prefix}client-cert-auth`,
  ];
  const running = new Map<number, ChildProcess>();
  const kill = async (member: number): Promise<void> => {
    const child = running.get(member);
    running.delete(member);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  return {
    ports,
    caFile: ca.cert,
    certFile: join(dir, 'client.crt'),
    keyFile: join(dir, 'client.key'),
    start: (...members) => {
      for (const member of members.filter((each) => !running.has(each))) {
        const args = [
          `--name=member-${member}`,
          `--data-dir=${join(dir, `data-${member}`)}`,
          `--listen-client-urls=https://0.0.0.0:${ports[member]}`,
          `--advertise-client-urls=https://${host}:${ports[member]}`,
          `--listen-peer-urls=${peer(member)}`,
          `--initial-advertise-peer-urls=${peer(member)}`,
          `--initial-cluster=${cluster}`,
          ...tls(''),
          ...tls('peer-'),
        ];
        const log = openSync(join(dir, `member-${member}.log`), 'a');
        const [file, ...rest] = [...enter, etcd, ...args];
        running.set(member, spawn(file, rest, { stdio: ['ignore', log, log] }));
        closeSync(log);
      }
    },
    kill,
    async [Symbol.asyncDispose]() {
      for (const member of running.keys()) await kill(member);
    },
  };
}
