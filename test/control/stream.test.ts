import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Event } from '../../src/engine/component.ts';
import { client } from '../../src/control/client.ts';
import { Failure } from '../../src/lib/errors.ts';
import { serving } from './serving.ts';
import type { Serving } from './serving.ts';

let served: Serving;

beforeEach(async () => {
  served = await serving();
});

afterEach(() => served[Symbol.asyncDispose]());

const event = (at: number): Event => ({ component: 'etcd', at, type: 'probing', reason: 'x'.repeat(1000) });
const everything = { components: [], follow: false, tail: undefined, since: undefined };

describe('a snapshot', () => {
  const lines = async (): Promise<string[]> => {
    const all: string[] = [];
    for await (const line of client(served.path).snapshot()) all.push(line);
    return all;
  };

  it('is streamed as it is', async () => {
    expect(await lines()).toEqual(['{"format":1}\n', '{"end":{}}\n']);
  });

  it.for([0, 1] as const)('that fails after line %i has its reason', async (after) => {
    const error = new Failure('notReady', 'etcd does not answer', { hint: 'wait' });
    served.node.snapshotFailure = { after, error };
    await expect(lines()).rejects.toMatchObject({
      code: 'notReady',
      message: 'etcd does not answer',
      hint: 'wait',
    });
  });
});

describe('streams', () => {
  it('give each of several clients all past and future events', async () => {
    served.node.emit(event(1));
    const readers = [1, 2].map(async () => {
      const seen: number[] = [];
      for await (const { at } of client(served.path).events()) {
        seen.push(at);
        if (at === 1) served.node.emitter.emit('joined');
      }
      return seen;
    });
    await once(served.node.emitter, 'joined');
    await once(served.node.emitter, 'joined');
    served.node.emit(event(2));
    await served.close();
    expect(await Promise.all(readers)).toEqual([
      [1, 2],
      [1, 2],
    ]);
    expect(served.node.emitter.listenerCount('event')).toBe(0);
  });

  it('end when the signal of the client aborts', async () => {
    served.node.emit(event(1));
    const stop = new AbortController();
    for await (const _ of client(served.path).events(stop.signal)) stop.abort();
    await expect(client(served.path).status(stop.signal)).rejects.toThrow('aborted');
  });

  it('disconnect a client that does not read', async () => {
    const socket = connect(served.path);
    socket.pause();
    socket.write('GET /v1/events HTTP/1.1\r\nhost: node\r\n\r\n');
    await once(served.node.emitter, 'newListener');
    await client(served.path).status();
    expect(served.node.emitter.listenerCount('event')).toBe(1);
    while (served.node.emitter.listenerCount('event') > 0) {
      for (let i = 0; i < 1000; i += 1) served.node.emitter.emit('event', event(i));
      await client(served.path).status();
    }
    socket.destroy();
  });

  it('of many clients that do not read take a bounded amount of memory', async () => {
    for (let i = 0; i < 1000; i += 1) served.node.events.push(event(i));
    const sockets = Array.from({ length: 60 }, () => connect(served.path));
    for (const socket of sockets) {
      socket.on('error', () => undefined).pause();
      socket.write('GET /v1/events HTTP/1.1\r\nhost: node\r\n\r\n');
    }
    const clients = (): number => served.node.emitter.listenerCount('event');
    await expect.poll(clients, { timeout: 10_000 }).toBeGreaterThan(0);
    // 1.1 MB for each; some of it is in the kernel's buffers.
    await client(served.path).status();
    await expect.poll(clients, { timeout: 10_000 }).toBeLessThanOrEqual(25);
    // A client that reads has nothing to fear.
    let count = 0;
    for await (const { at } of client(served.path).events()) {
      count += 1;
      if (at === 999) break;
    }
    expect(count).toBe(1000);
    for (const socket of sockets) socket.destroy();
  });

  it('of logs that are not read are ended when there are too many', { timeout: 40_000 }, async () => {
    served.node.text = 'x'.repeat(4 * 1024 * 1024);
    const sockets = Array.from({ length: 12 }, () => connect(served.path));
    for (const socket of sockets) {
      socket.on('error', () => undefined).pause();
      socket.write('GET /v1/logs?component=etcd&component=etcd HTTP/1.1\r\nhost: node\r\n\r\n');
    }
    await expect.poll(() => served.node.openLogs, { timeout: 10_000 }).toBe(12);
    await expect.poll(() => served.node.openLogs, { timeout: 30_000 }).toBe(8);
    for (const socket of sockets) socket.destroy();
  });

  it('give log lines with any content', async () => {
    const query = { components: ['kube apiserver', 'etcd'], follow: false, tail: 7, since: 9 };
    const lines = [];
    for await (const line of client(served.path).logs(query)) lines.push(line);
    expect(lines.map(({ component, text: line }) => [component, line])).toEqual([
      ['kube apiserver', 'a line\nof two'],
      ['etcd', 'a line\nof two'],
    ]);
    expect(served.node.queries).toEqual([query]);
  });

  it('of followed logs end with the server', async () => {
    const lines = client(served.path).logs({ ...everything, components: ['etcd'], follow: true });
    expect((await lines.next()).value).toMatchObject({ component: 'etcd' });
    await served.close();
    expect((await lines.next()).done).toBe(true);
  });
});

describe('down', () => {
  it('resolves when the socket is closed', async () => {
    served.node.onDown = () => void served.close();
    await client(served.path).down();
    expect(served.node.requests).toEqual(['down']);
    await expect(client(served.path).status()).rejects.toMatchObject({ code: 'notReady' });
  });

  it('is no restart of a node that another process starts', async () => {
    await expect(client(served.path).restartNode()).rejects.toThrow(
      'this node does not start again by itself: take it down, and bring it up',
    );
    expect(served.node.requests).toEqual([]);
  });
});
