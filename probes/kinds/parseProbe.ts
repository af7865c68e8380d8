import { cri } from './cri.ts';
import { etcd } from './etcd.ts';
import { exec } from './exec.ts';
import { file } from './file.ts';
import type { Tls } from '../transport/httpClient.ts';
import { grpcHealth } from './grpc.ts';
import { http } from './http.ts';
import type { Probe } from '../probe.ts';
import { tcp } from './tcp.ts';
import { unix } from './unix.ts';

/** A kind of probe that can be named on the command line and in the config file. */
export interface Kind {
  /** When it passes, in a few words. */
  readonly summary: string;
  readonly example: string;
  /** Throws an Error with the reason if the target is invalid. `tls` applies to https targets. */
  readonly parse: (target: string, tls?: Tls) => Probe;
}

export const kinds: Readonly<Record<string, Kind>> = {
  http: {
    summary: 'GET answers with status 200 to 399',
    example: 'https://127.0.0.1:6443/readyz',
    parse: (target, tls) => http(target, tls),
  },
  tcp: {
    summary: 'the port accepts connections',
    example: '127.0.0.1:6443',
    parse: (target) => {
      const { host, port } = hostPort(target);
      return tcp(port, host);
    },
  },
  unix: {
    summary: 'the socket accepts connections',
    example: '/run/containerd/containerd.sock',
    parse: (target) => unix(absolute(target)),
  },
  exec: {
    summary: 'the command exits 0 (words split at blanks, no shell)',
    example: 'etcdctl endpoint health',
    parse: (target) => exec(words(target)),
  },
  file: {
    summary: 'the file exists',
    example: '/etc/cni/net.d/10-bridge.conflist',
    parse: (target) => file(absolute(target)),
  },
  etcd: {
    summary: 'etcd says it is healthy',
    example: 'http://127.0.0.1:4001',
    parse: (target, tls) => etcd(target, tls),
  },
  grpc: {
    summary: 'the gRPC health service says SERVING',
    example: 'unix:///run/app.sock',
    parse: (target) => grpcHealth(target),
  },
  cri: {
    summary: 'the container runtime says RuntimeReady',
    example: '/run/containerd/containerd.sock',
    parse: (target) => cri(absolute(target.replace(/^unix:(?:\/\/)?/, ''))),
  },
};

/** Creates a probe of `target`. Throws an Error if the kind is unknown or the target invalid. */
export function parseProbe(kind: string, target: string, tls?: Tls): Probe {
  const found = Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
  if (!found) throw new Error(`no probe is called "${kind}": ${Object.keys(kinds).join(', ')}`);
  return found.parse(target, tls);
}

function hostPort(target: string): { host: string; port: number } {
  const [, host, port] = /^(?:(?<host>[^:[\]]+|\[[\da-f:.]+\]):)?(?<port>\d+)$/i.exec(target) ?? [];
  if (port === undefined || Number(port) < 1 || Number(port) > 65_535) {
    throw new Error(`not a HOST:PORT: ${target}`);
  }
  return { host: host?.replaceAll(/[[\]]/g, '') ?? '127.0.0.1', port: Number(port) };
}

function absolute(path: string): string {
  if (!path.startsWith('/')) throw new Error(`not an absolute path: ${path}`);
  return path;
}

function words(target: string): [string, ...string[]] {
  const [command, ...args] = target.trim().split(/\s+/);
  if (!command) throw new Error('no command to run');
  return [command, ...args];
}
