import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttp2Server } from 'node:http2';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { encode } from 'dns-packet';
import { etcd } from '../../probes/kinds/etcd.ts';
import { grpcHealth } from '../../probes/kinds/grpc.ts';
import { Unhealthy } from '../../probes/probe.ts';
import type { Probe } from '../../probes/probe.ts';
import { decode } from '../../probes/transport/protobuf.ts';
import { parseEnvFile } from '../../src/config/envFile.ts';
import { parseConfig } from '../../src/config/yaml/parseConfig.ts';
import { causeLine, linesWithCause } from '../../src/engine/supervise/causeLine.ts';
import { tail } from '../../src/engine/supervise/logFile.ts';
import {
  emptyReply,
  FormatError,
  parseQuery,
  parseResponse,
  writeResponse,
} from '../../src/helper/dns/message.ts';
import { nameServers } from '../../src/helper/dns/resolvConf.ts';
import { podResolvConf } from '../../src/host/resolvConf.ts';
import { importSupervisord } from '../../src/import/supervisord.ts';
import { checksumIn } from '../../src/install/release/checksums.ts';
import { recordedKubernetes } from '../../src/kubernetes/dataVersions.ts';
import { unzipped } from '../../src/kubernetes/images/imageSource.ts';
import { mergeKubeconfig, removeFromKubeconfig } from '../../src/kubernetes/kubeconfig/merge.ts';
import { Failure } from '../../src/lib/errors.ts';
import { stampOf } from '../../src/observe/logs/logLine.ts';
import { serving } from '../control/serving.ts';
import type { Opened, Target } from './check.ts';

/** All targets: every reader of input that others may have written. */
export const targets: readonly Target[] = [
  {
    name: 'config',
    seeds: [
      ...filesIn('config', '.yaml'),
      ...filesIn('config/examples', '.yaml'),
      json({ kubernetes: false }),
    ],
    words: [
      'components:\n',
      '${env:A}',
      '&a ',
      '*a',
      '<<: ',
      '!!binary ',
      '? ',
      '- ',
      '{',
      '[',
      '"',
      '|\n',
      '\t',
      '__proto__: ',
      ':',
      ']',
      '${',
      '${constructor}',
    ],
    // Longer than any real one. A larger one takes more time, in proportion: see test/config/yaml/mistakes.test.ts.
    maxBytes: 16 * 1024,
    open: pure((input) => {
      allowing(
        /^(?:.*\n)*\S*node\.yaml:\d+:\d+: /,
        () => void parseConfig(text(input), '/etc/node.yaml', { env: {} }),
      );
    }),
  },
  {
    name: 'env-file',
    seeds: [buffer('# a comment\nexport A=1\nB="two\\n\nlines" # c\nC=\'x\'\nD = `y`\nE=a#b\r\n')],
    words: ['"', "'", '`', '\\', '=', '#', '\r', '\n', ' ', 'export ', '\uFEFF', '__proto__='],
    open: pure((input) => {
      for (const value of Object.values(parseEnvFile(text(input))))
        if (typeof value !== 'string') throw new Error('not a text');
    }),
  },
  {
    name: 'supervisord',
    seeds: filesIn('test/fixtures/import/corpus', '.conf'),
    words: [
      '[program:a]\n',
      '[group:a]\n',
      '%(ENV_A)s',
      '%(',
      '%%',
      'command=',
      'environment=A="1",',
      'programs=a,a\n',
      ';',
      '\t',
      '=',
    ],
    maxBytes: 64 * 1024,
    open: withFile('supervisord.conf', async (file) => {
      await allowingAsync(/supervisord\.conf/, async () => importSupervisord(file, {}));
    }),
  },
  {
    name: 'image-archive',
    seeds: [
      gzipSync('a layer'),
      gzipSync(Buffer.alloc(5 * 2 ** 20)),
      Buffer.from('28b52ffd00', 'hex'),
      Buffer.alloc(1024),
    ],
    words: ['\u001F\u008B', 'ustar', '../'],
    open: pure(async (input) => {
      await allowingAsync(/an\.tar/, async () => {
        for await (const _ of await unzipped(Readable.from([input], { objectMode: false }), 'an.tar'));
      });
    }),
  },
  {
    name: 'log',
    seeds: [
      ...filesIn('test/fixtures/engine/dumps', '.log'),
      buffer(
        'I0801 12:00:00.123456    1234 file.go:12] text\n{"level":"fatal","ts":"2026-08-01","msg":"a"}\n',
      ),
      buffer(
        'time="2026-08-01T12:00:00Z" level=info msg="a"\n2026-08-01 12:00:00.1234 C | etcd: b\npanic: x\n\ngoroutine 1 [running]:\n',
      ),
    ],
    words: [
      'panic: ',
      'goroutine 1 [running]:\n',
      '\n',
      ' ',
      '\t',
      '"',
      '{',
      '    at x\n',
      'F0801 12:00:00.123456 1 a.go:1] ',
    ],
    open: withFile('a.log', (file, input) => {
      tail(file, 20);
      const lines = text(input).split('\n');
      for (const line of lines) stampOf(line, 0);
      causeLine(linesWithCause(lines, 20));
    }),
  },
  {
    name: 'etcd-answer',
    seeds: [
      http('200 OK', '{"health":"true"}'),
      http('503 Service Unavailable', '{"health":"false","reason":"NOSPACE"}'),
      buffer('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n11\r\n{"health":"true"}\r\n0\r\n\r\n'),
    ],
    words: ['\r\n', 'HTTP/1.1 ', 'Content-Length: ', '{', '[', '"health":', 'null', '\u0000'],
    open: answering((port) => etcd(`http://127.0.0.1:${port}`)),
  },
  {
    name: 'grpc-answer',
    seeds: [
      buffer('\u0008\u0001'),
      buffer('\u0012\u0003abc\u0008\u0002'),
      Buffer.from('000000000401000000', 'hex'),
    ],
    words: ['\u0008', '\u0012', '\u00FF', '\u0000'],
    open: openGrpc,
  },
  {
    name: 'control-api',
    seeds: [
      ...[
        '/v1/status',
        '/v1/events?past',
        '/v1/logs?tail=5&component=etcd',
        '/v1/logs?since=1s',
        '/readyz',
        '/nothing',
      ].map((path) => buffer(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)),
      buffer(
        'POST /v1/restart/etcd?cascade HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}',
      ),
      buffer('POST /v1/stop/kube%20apiserver HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'),
    ],
    words: [
      '%',
      '%00',
      '%zz',
      '..',
      '/',
      '?',
      '&',
      '=',
      'tail=',
      '\r\n',
      'HTTP/1.1',
      'follow',
      '\u0000',
      '//a',
    ],
    maxBytes: 64 * 1024,
    open: openControlApi,
  },
  {
    name: 'dns',
    seeds: [
      encode({
        type: 'query',
        id: 1,
        flags: 256,
        questions: [{ type: 'A', name: 'kubernetes.default.svc.cluster.local' }],
      }),
      encode({
        type: 'response',
        id: 1,
        questions: [{ type: 'SRV', name: 'a.b' }],
        answers: [{ type: 'SRV', name: 'a.b', data: { port: 1, target: 'c.d' } }],
        additionals: [{ type: 'TXT', name: 'a.b', data: 'text' }],
      }),
    ],
    words: ['\u00C0\u000C', '\u00C0\u0000', '\u003F', '\u0000\u0029', '\u00FF\u00FF'],
    maxBytes: 65_535,
    open: pure(readDns),
  },
  {
    name: 'checksums',
    seeds: [
      buffer(`${'a'.repeat(64)}  ./kubelet\n${'b'.repeat(128)} *bin/kubectl\n`),
      buffer(`-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n${'c'.repeat(64)}  kubelet\n`),
      buffer('d'.repeat(64)),
    ],
    words: ['  ', ' *', '\n', './', '\t', 'a'.repeat(64)],
    open: pure((input) => {
      const found = checksumIn(text(input), 'https://dl.k8s.io/v1.20.2/bin/kubelet', 'the checksums');
      if (found !== undefined && !/^[0-9a-f]+$/.test(found.hex)) throw new Error('not a checksum');
    }),
  },
  {
    name: 'kubeconfig',
    seeds: [
      buffer(kubeconfig('other')),
      buffer(kubeconfig('k8s-single')),
      json({ kind: 'Config', users: [] }),
      buffer(''),
    ],
    words: ['clusters:\n', '- name: ', '&a ', '*a', '<<: ', '[', '{', 'null', '!!map ', '? ', '"'],
    // Longer than any real one. The YAML library takes quadratic time for the errors of thousands of equal keys.
    maxBytes: 8 * 1024,
    open: withFile('kubeconfig', (file) => {
      allowing(/kubeconfig/, () => mergeKubeconfig(file, kubeconfig('k8s-single')));
      allowing(/kubeconfig/, () => void removeFromKubeconfig(file, 'default'));
    }),
  },
  {
    name: 'versions',
    seeds: [json({ 'kube-apiserver': 'v1.20.2', etcd: '3.4.23' }), buffer('null'), buffer('[]')],
    words: ['{', '[', '"', 'null', '1e999', '__proto__', '\u0000'],
    open: withFile('versions.json', (file) => {
      const version: unknown = recordedKubernetes(join(file, '..'));
      if (version !== undefined && typeof version !== 'string')
        throw new Error(`not a version: ${JSON.stringify(version)}`);
    }),
  },
  {
    name: 'resolv-conf',
    seeds: [
      buffer('nameserver 10.0.0.1\nsearch a.b c\noptions ndots:5\n'),
      buffer('# x\nnameserver 127.0.0.53\nnameserver fe80::1%eth0\n'),
    ],
    words: ['nameserver ', 'nameserver\t', '::', '%', '\n', ' ', ';', 'options '],
    open: withFile('resolv.conf', async (file) => {
      nameServers(file);
      await podResolvConf('192.0.2.1', [file]);
    }),
  },
];

function text(input: Buffer): string {
  return input.toString('utf8');
}

function buffer(content: string): Buffer {
  return Buffer.from(content);
}

function json(value: object): Buffer {
  return buffer(JSON.stringify(value));
}

function http(status: string, body: string): Buffer {
  return buffer(`HTTP/1.1 ${status}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
}

/** The files of a folder of this repository. */
function filesIn(folder: string, ending: string): Buffer[] {
  const names = readdirSync(folder).filter((name) => name.endsWith(ending));
  return names.sort().map((name) => readFileSync(join(folder, name)));
}

function kubeconfig(name: string): string {
  return [
    'apiVersion: v1\nkind: Config',
    `clusters: [{ name: ${name}, cluster: { server: 'https://a' } }]`,
    `users: [{ name: ${name}, user: { token: a } }]`,
    `contexts:\n- name: ${name}\n  context: { cluster: ${name}, user: ${name} }`,
    `current-context: ${name} # a comment\n`,
  ].join('\n');
}

/** An error is right if it is a Failure and names the place. */
function allowing(place: RegExp, read: () => void): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof Failure) || !place.test(error.message)) throw error;
  }
}

async function allowingAsync(place: RegExp, read: () => Promise<unknown>): Promise<void> {
  await read().catch((error: unknown) =>
    allowing(place, () => {
      throw error;
    }),
  );
}

function pure(read: Opened['read']): Target['open'] {
  return async () => ({ read, [Symbol.asyncDispose]: async () => undefined });
}

/** The input is the content of a file in a folder of its own. */
function withFile(name: string, read: (file: string, input: Buffer) => void | Promise<void>): Target['open'] {
  return async () => {
    const folder = await mkdtemp(join(tmpdir(), 'k8s-single-fuzz-'));
    const file = join(folder, name);
    return {
      async read(input) {
        await writeFile(file, input);
        await read(file, input);
      },
      [Symbol.asyncDispose]: async () => rm(folder, { recursive: true }),
    };
  };
}

/** A probe rejects with a reason of one line. */
async function probed(probe: Probe): Promise<void> {
  // A wait for the rest of an answer ends with the time limit of the attempt.
  const limit = AbortSignal.timeout(300);
  await probe(limit).catch((error: unknown) => {
    if (error === limit.reason) return;
    if (!(error instanceof Unhealthy)) throw error;
    if (/[\n\0]/.test(error.message) || error.message.length > 1000)
      throw new Error(`not a reason for people: ${error.message.slice(0, 300)}`, { cause: error });
  });
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** The input is all that a server sends to the probe. */
function answering(probeOf: (port: number) => Probe): Target['open'] {
  return async () => {
    let answer: Buffer = Buffer.alloc(0);
    const server = createServer((socket) => {
      socket.on('error', () => undefined).once('data', () => socket.end(answer));
    });
    const probe = probeOf(await listening(server));
    return {
      async read(input) {
        answer = input;
        await probed(probe);
      },
      [Symbol.asyncDispose]: async () => void server.close(),
    };
  };
}

/** The input is the bytes that a server sends, then the message of a well-formed answer, then a message alone. */
async function openGrpc(): Promise<Opened> {
  const raw = await answering((port) => grpcHealth(`127.0.0.1:${port}`))();
  let message: Buffer = Buffer.alloc(0);
  const server = createHttp2Server((_request, response) => {
    response.on('error', () => undefined).stream.on('error', () => undefined);
    const head = Buffer.alloc(5);
    head.writeUInt32BE(message.length, 1);
    response.addTrailers({ 'grpc-status': '0' });
    response.setHeader('content-type', 'application/grpc');
    response.end(Buffer.concat([head, message]));
  });
  const probe = grpcHealth(`127.0.0.1:${await listening(server)}`);
  return {
    async read(input) {
      await raw.read(input);
      message = input;
      await probed(probe);
      await probed(async () => void decode(input));
    },
    async [Symbol.asyncDispose]() {
      await raw[Symbol.asyncDispose]();
      server.close();
    },
  };
}

/** The input is all that a client sends. Afterwards, the server still answers. */
async function openControlApi(): Promise<Opened> {
  const served = await serving();
  const status = buffer('GET /v1/status HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  const answerTo = async (request: Buffer): Promise<string> =>
    new Promise((resolve) => {
      let answer = '';
      const socket = connect(served.path, () => socket.end(request));
      const finish = (): void => {
        socket.destroy();
        resolve(answer);
      };
      // An event stream has no end: its first bytes are enough.
      socket.on('data', (chunk) => {
        answer += chunk.toString();
        if (!answer.includes('Connection: close') || answer.includes('text/event-stream')) finish();
      });
      socket.on('error', finish).on('close', finish);
    });
  return {
    async read(input) {
      await answerTo(input);
      const answer = await answerTo(status);
      if (!answer.startsWith('HTTP/1.1 200')) throw new Error(`the server answers no more: ${answer}`);
    },
    [Symbol.asyncDispose]: async () => served[Symbol.asyncDispose](),
  };
}

function readDns(input: Buffer): void {
  const orFormatError = (read: () => void): void => {
    try {
      read();
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
    }
  };
  orFormatError(() => {
    const query = parseQuery(input);
    const limit = 512;
    const response = writeResponse(query, emptyReply(0), { limit, recursionAvailable: true });
    if (response.length > limit) throw new Error(`${response.length} bytes`);
  });
  const id = input.length < 2 ? 0 : input.readUInt16BE(0);
  orFormatError(() => void parseResponse(input, id, { name: 'a.b', type: 'SRV', class: 'IN' }));
}
