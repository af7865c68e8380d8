import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import type { Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { unix } from '../../probes/kinds/unix.ts';
import { until } from '../../probes/until.ts';
import { duplicatePort, parsePort } from '../../src/config/schema/ports.ts';
import { programFile } from '../../src/lib/paths.ts';
import { descriptorOf } from '../../src/sandbox/shim.ts';
import { portsOfMachine } from '../../src/supervisor/ports/component.ts';
import { allPorts, openPorts } from '../../src/supervisor/ports/open.ts';
import { cli } from '../support/cli.ts';

describe('a mapping', () => {
  it.each([
    ['8080:80', { address: '127.0.0.1', port: 8080, nodePort: 80, protocol: 'tcp' }],
    ['0.0.0.0:53:5353/udp', { address: '0.0.0.0', port: 53, nodePort: 5353, protocol: 'udp' }],
    ['[::1]:0:80/tcp', { address: '::1', port: 0, nodePort: 80, protocol: 'tcp' }],
    ['localhost:80:80', { address: '127.0.0.1', port: 80, nodePort: 80, protocol: 'tcp' }],
    ['8080', /^expected \[ADDRESS:\]HOST:NODE/],
    ['8080:80:', /^expected/],
    ['::1:80:80', /^expected/],
    [':80:80', /"" is no IP address/],
    ['example.com:80:80', /"example.com" is no IP address/],
    ['65536:80', 'the port of the host is 65536: expected 0, for any free one, to 65535'],
    ['80:0', 'the port of the node is 0: expected 1 to 65535'],
    ['80:80/sctp', 'the protocol is "sctp": expected tcp or udp'],
  ])('%s', (mapping, expected) => {
    if (expected instanceof RegExp) expect(parsePort(mapping)).toMatch(expected);
    else expect(parsePort(mapping)).toEqual(expected);
  });

  it.each([
    [['80:1', '80:2'], 1],
    [['80:1', '0.0.0.0:80:2'], 1],
    [['80:1', '80:1/udp', '[::]:80:1', '127.0.0.2:80:1'], undefined],
    [['0:1', '0:2'], undefined],
  ])('%j: the duplicate is %s', (mappings, index) => {
    expect(duplicatePort(mappings)?.index).toBe(index);
  });

  it('of the command line is refused by its flag, before anything starts', async () => {
    expect(() => allPorts(['80:81'], ['80:80'])).toThrow(
      '--publish 80:81: 80:80 has the same port of the host',
    );
    const { exitCode, stderr } = await cli(['up', '--name', 'lb-publish', '--publish', '8080']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('--publish 8080: expected [ADDRESS:]HOST:NODE[/udp]');
  });

  it('without a sandbox must be of another port', async () => {
    await expect(portsOfMachine(['0:80', '18090:18090'])).rejects.toThrow(
      'cannot publish 18090:18090: without a sandbox, port 18090 of the node is port 18090 of this machine already',
    );
  });
});

describe('a port that is taken', () => {
  it.each(['tcp', 'udp'])('is named with its holder: %s', async (protocol) => {
    const other =
      protocol === 'tcp' ? createServer().listen(0, '127.0.0.1') : createSocket('udp4').bind(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const opened = openPorts(['0:80', `${port}:80/${protocol}`]);
    await expect(opened).rejects.toThrow(
      `cannot publish ${port}:80/${protocol} at 127.0.0.1:${port}: port ${port}/${protocol} is held by pid ${process.pid} (`,
    );
    await expect(opened).rejects.toMatchObject({ code: 'preflight' });
    other.close();
  });

  it('is refused by up with exit code 3', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const { exitCode, stderr } = await cli(['up', '--name', 'lb-publish', '--publish', `${port}:80`]);
    expect(exitCode, String(stderr)).toBe(3);
    expect(stderr).toContain(
      `cannot publish ${port}:80 at 127.0.0.1:${port}: port ${port}/tcp is held by pid`,
    );
    other.close();
  });

  it('and an address that is not this machine', async () => {
    await expect(openPorts(['192.0.2.1:0:80'])).rejects.toThrow('this machine has no address 192.0.2.1');
  });
});

describe('the forwarder, with inherited sockets', () => {
  /** A shell that has the sockets as a supervisor has, and starts the forwarder again when it is killed. */
  let holder: ChildProcess;
  let node: Server;
  let nodeUdp: UdpSocket;
  let folder: string;
  let ports: readonly number[];
  /** What the node does with a connection. */
  let handle: (connection: Socket) => void = (connection) => connection.destroy();

  beforeAll(async () => {
    node = createServer({ allowHalfOpen: true }, (connection) => handle(connection)).listen(0, '127.0.0.1');
    nodeUdp = createSocket('udp4').bind(0, '127.0.0.1');
    nodeUdp.on('message', (message, from) => nodeUdp.send(`re ${String(message)}`, from.port, from.address));
    await Promise.all([once(node, 'listening'), once(nodeUdp, 'listening')]);
    const { port } = node.address() as AddressInfo;
    using open = await openPorts([`0:${port}`, `[::1]:0:${port}`, '0:1', `0:${nodeUdp.address().port}/udp`]);
    ports = open.ports.map((each) => each.port);
    folder = await mkdtemp('/var/tmp/k8s-single-ports-');
    const socket = join(folder, 'alive.sock');
    const served = open.ports.map((each, index) => ({ ...each, fd: index + 3 }));
    const options = JSON.stringify({ target: '127.0.0.1', socket, ports: served });
    const program = [process.execPath, programFile('portForwarder'), options];
    holder = spawn('sh', ['-c', 'until "$@" 2>/dev/null; do :; done', 'sh', ...program], {
      stdio: ['ignore', 'ignore', 'ignore', ...open.sockets.map(descriptorOf)],
    });
    await until(unix(socket), { timeoutMs: 20_000 }, new AbortController().signal);
  });

  async function forwarder(): Promise<number> {
    return Number(await readFile(`/proc/${holder.pid}/task/${holder.pid}/children`, 'utf8'));
  }

  afterAll(async () => {
    const ended = once(holder, 'exit');
    process.kill(await forwarder(), 'SIGTERM');
    expect(await ended).toEqual([0, null]);
    node.close();
    nodeUdp.close();
    await rm(folder, { recursive: true });
  });

  async function client(index: number): Promise<Socket> {
    const host = index === 1 ? '::1' : '127.0.0.1';
    const connection = connect({ host, port: ports[index]!, allowHalfOpen: true });
    await once(connection, 'connect');
    return connection;
  }

  it('passes on what comes after the end of the other direction, at IPv6, too', async () => {
    // Not by text(), which ends both directions.
    handle = (connection) => {
      let all = '';
      connection.on('data', (part) => (all += String(part)));
      connection.on('end', () => connection.end(`got ${all}`));
    };
    for (const index of [0, 1]) {
      const connection = await client(index);
      connection.end('hello');
      expect(await text(connection)).toBe('got hello');
    }
  });

  it('waits for a slow reader, and loses nothing of 64 MiB', async () => {
    const chunk = Buffer.alloc(1024 * 1024, 'x');
    let sent = 0;
    handle = (connection) => {
      const chunks = async function* () {
        for (; sent < 64; sent++) yield chunk;
      };
      Readable.from(chunks(), { objectMode: false, highWaterMark: 1 }).pipe(connection);
    };
    const connection = await client(0);
    connection.pause();
    // It reads nothing: what is on the way is in buffers of the kernel, a few MiB.
    let before = -1;
    const isHeld = async (): Promise<void> => {
      const isSame = sent === before && sent > 0;
      before = sent;
      if (!isSame) throw new Error('still sending');
    };
    await until(isHeld, { timeoutMs: 10_000, periodMs: 200 }, new AbortController().signal);
    expect(sent).toBeLessThan(48);
    let received = 0;
    for await (const part of connection) received += (part as Buffer).length;
    expect(received).toBe(64 * 1024 * 1024);
  });

  it('serves 300 connections concurrently', async () => {
    handle = (connection) => connection.pipe(connection);
    const all = await Promise.all(Array.from({ length: 300 }, async () => client(0)));
    for (const [index, connection] of all.entries()) connection.end(`${index}`);
    expect(await Promise.all(all.map(async (connection) => text(connection)))).toEqual(
      all.map((_, i) => `${i}`),
    );
  });

  it('resets a connection to a port where nobody listens', async () => {
    const [error] = await once(connect({ host: '127.0.0.1', port: ports[2]! }), 'error');
    expect(error).toMatchObject({ code: 'ECONNRESET' });
  });

  it('forwards by UDP, and answers each client', async () => {
    const ask = async (name: string): Promise<string> => {
      const udp = createSocket('udp4');
      udp.send(name, ports[3], '127.0.0.1');
      const [answer] = await once(udp, 'message');
      udp.close();
      return String(answer);
    };
    expect(await Promise.all(['a', 'b'].map(ask))).toEqual(['re a', 're b']);
  });

  it('keeps its ports when it is killed: a connection waits for the next one', async () => {
    handle = (connection) => connection.end('again');
    const pid = await forwarder();
    process.kill(pid, 'SIGKILL');
    const connection = await client(0);
    expect(await text(connection)).toBe('again');
    expect(await forwarder()).not.toBe(pid);
  });
});
