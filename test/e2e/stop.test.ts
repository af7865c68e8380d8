import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { spawn } from 'node:child_process';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Event } from '../../src/engine/component.ts';
import { main } from '../support/cli.ts';
import { leftoversSince, snapshotHost } from '../support/leftovers.ts';
import { descendants } from '../support/processes.ts';
import { TestNode } from '../support/testNode.ts';

const node = new TestNode('e2e-stop');

beforeAll(async () => node.remove());
afterEach(async () => node.remove());

/** Starts `up` in the foreground and sends the signal at the first matching event. Resolves with the exit code. */
async function upUntil(matches: (event: Event) => boolean, signal: NodeJS.Signals): Promise<number | null> {
  const child = spawn(process.execPath, [main, ...node.args('up', '--output', 'json')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit') as Promise<[number | null]>;
  let sent = false;
  for await (const line of createInterface({ input: child.stdout })) {
    if (sent || !matches(JSON.parse(line) as Event)) continue;
    sent = true;
    child.kill(signal);
  }
  expect(sent, 'no event matched').toBe(true);
  return (await exited)[0];
}

const moments: readonly (readonly [string, (event: Event) => boolean])[] = [
  ['the very first event', () => true],
  ['etcd starting', ({ component, type }) => component === 'etcd' && type === 'starting'],
  ['containerd ready', ({ component, type }) => component === 'containerd' && type === 'ready'],
  ['the API server starting', ({ component, type }) => component === 'apiserver' && type === 'starting'],
  ['the kubelet ready', ({ component, type }) => component === 'kubelet' && type === 'ready'],
  ['the node ready', ({ component, type }) => component === 'node' && type === 'ready'],
];

describe('SIGTERM at', () => {
  for (const [moment, matches] of moments) {
    it(`${moment}: exits 0 and leaves nothing`, async () => {
      const before = await snapshotHost();
      expect(await upUntil(matches, 'SIGTERM')).toBe(0);
      expect(await leftoversSince(before, node.name)).toEqual([]);
    });
  }
});

describe('SIGKILL by somebody else', () => {
  it.each([
    ['the shim', /^\/bin\/sh -c node=/],
    ['the process that holds the namespaces', /^sh -c exec 2>&8/],
    ['PID 1', /^sh \S*bin\/init/],
    ['the supervisor', /^\S*node \S*supervisor\.cjs/],
  ])('of %s: up says so, exits 137, and leaves nothing', async (_who, pattern) => {
    const before = await snapshotHost();
    const child = spawn(process.execPath, [main, ...node.args('up', '--output', 'json')], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const closed = once(child, 'close') as Promise<[number | null]>;
    let isSent = false;
    for await (const line of createInterface({ input: child.stdout })) {
      const { component, type } = JSON.parse(line) as Event;
      if (isSent || component !== 'etcd' || type !== 'ready') continue;
      isSent = true;
      process.kill(
        (await descendants(child.pid!)).find(({ command }) => pattern.test(command))!.pid,
        'SIGKILL',
      );
    }
    expect((await closed)[0]).toBe(137);
    expect(stderr).toContain(
      `node ${node.name} is down: its supervisor, or a process around it, was ended by SIGKILL`,
    );
    expect(await leftoversSince(before, node.name)).toEqual([]);
  });
});

describe('Ctrl-C', () => {
  it('exits 0 and leaves nothing, too', async () => {
    const before = await snapshotHost();
    expect(
      await upUntil(({ component, type }) => component === 'apiserver' && type === 'probing', 'SIGINT'),
    ).toBe(0);
    expect(await leftoversSince(before, node.name)).toEqual([]);
  });
});
