import { randomBytes } from 'node:crypto';
import { execa } from 'execa';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { SandboxSpec } from '../../src/sandbox/sandboxSpec.ts';
import { sandboxes, startSandbox, newSandbox } from '../support/sandbox.ts';
import { leftoversSince, snapshotHost } from '../support/leftovers.ts';
import { descendants } from '../support/processes.ts';

sandboxes();

const newName = (): string => `test-${randomBytes(4).toString('hex')}`;

function member(cluster: string, name = newName()): SandboxSpec & { cluster: string } {
  return { ...newSandbox(name), cluster };
}

/** Waits for a TCP server in another node, with what bash has. */
const reach = (ip: string): string =>
  `for i in $(seq 50); do bash -c 'exec 3<>/dev/tcp/${ip}/7777' && exit 0; sleep 0.1; done; exit 1`;
const serve = `'${process.execPath}' -e "require('net').createServer((client) => client.on('error', () => {}).end()).listen(7777)" > /dev/null 2>&1 &`;

describe('the nodes of a cluster', () => {
  test('reach each other, the host reaches each, and other nodes do not', async () => {
    const cluster = newName();
    const control = startSandbox(member(cluster, cluster), serve, 'stay');
    const { nodeIp, hostIp } = await control.received('inside');
    expect(nodeIp).toMatch(/\.2$/);
    await control.received('status');
    const worker = startSandbox(member(cluster), reach(nodeIp));
    const inside = await worker.received('inside');
    expect(inside.hostIp).toBe(hostIp);
    expect(inside.nodeIp.split('.').slice(0, 3)).toEqual(nodeIp.split('.').slice(0, 3));
    expect(inside.nodeIp).not.toBe(nodeIp);
    expect(await worker.received('status')).toBe(0);
    const stranger = startSandbox(newSandbox(), `bash -c 'exec 3<>/dev/tcp/${nodeIp}/7777'`);
    expect(await stranger.received('status')).not.toBe(0);
  });

  test('keep their network while one of them lives, in which the control plane has its address again', async () => {
    const cluster = newName();
    const before = await snapshotHost();
    const control = startSandbox(member(cluster, cluster), ':', 'stay');
    const { nodeIp } = await control.received('inside');
    await control.received('status');
    const worker = startSandbox(member(cluster), serve, 'stay');
    const { nodeIp: workerIp } = await worker.received('inside');
    await worker.received('status');
    control.outer.kill('SIGTERM');
    await control.outer;
    const again = startSandbox(member(cluster, cluster), reach(workerIp), 'stay');
    expect((await again.received('inside')).nodeIp).toBe(nodeIp);
    expect(await again.received('status')).toBe(0);
    for (const { outer } of [again, worker]) {
      outer.kill('SIGTERM');
      await outer;
    }
    expect(await leftoversSince(before, cluster)).toEqual([]);
  });

  test('leave nothing behind when the shim of the last one is killed', async () => {
    const cluster = newName();
    const before = await snapshotHost();
    const { outer, received } = startSandbox(member(cluster, cluster), ':', 'stay');
    expect(await received('status')).toBe(0);
    const shim = (await descendants(outer.pid!)).find(({ command }) =>
      command.startsWith('/bin/sh -c node='),
    );
    process.kill(shim!.pid, 'SIGKILL');
    await outer;
    expect(await leftoversSince(before, cluster)).toEqual([]);
  });

  test('take part in a range that is chosen, as many as fit', async () => {
    const cluster = newName();
    const nodeSubnet = '100.127.99.0/29';
    const names = [cluster, newName(), newName(), newName(), newName()];
    const ips: string[] = [];
    for (const name of names) {
      const node = { ...member(cluster, name), nodeSubnet };
      const { nodeIp } = await startSandbox(node, ':', 'stay').received('inside');
      ips.push(nodeIp);
    }
    expect(ips.toSorted()).toEqual([2, 3, 4, 5, 6].map((last) => `100.127.99.${last}`));
    const { received } = startSandbox({ ...member(cluster), nodeSubnet });
    expect(await received('failure')).toBe(
      `no address is free in the network of cluster ${cluster}, ${nodeSubnet}`,
    );
  });
});

test('nodes that start at the same time, without a network yet, are in the same one', async () => {
  const cluster = newName();
  const all = [cluster, newName(), newName()].map((name) => startSandbox(member(cluster, name), ':', 'stay'));
  const addresses = await Promise.all(all.map(async ({ received }) => received('inside')));
  expect(new Set(addresses.map(({ hostIp }) => hostIp)).size).toBe(1);
  expect(new Set(addresses.map(({ nodeIp }) => nodeIp)).size).toBe(3);
  expect(addresses[0]!.nodeIp).toMatch(/\.2$/);
});

test('a control plane has its address again although somebody is in its last network', async () => {
  const cluster = newName();
  const [control, worker] = [member(cluster, cluster), member(cluster)].map((node) =>
    startSandbox(node, ':', 'stay'),
  );
  const { nodeIp } = await control!.received('inside');
  await control!.received('status');
  await worker!.received('status');
  const processes = await descendants(control!.outer.pid!);
  const inside = processes.find(
    ({ command }) => command.includes('program.mjs') && !command.startsWith('/bin/sh'),
  )!;
  const spy = execa('nsenter', [`--net=/proc/${inside.pid}/ns/net`, 'sleep', 'infinity'], { reject: false });
  onTestFinished(async () => {
    spy.kill('SIGKILL');
    await spy;
  });
  control!.outer.kill('SIGTERM');
  await control!.outer;
  const again = startSandbox(member(cluster, cluster), ':', 'stay');
  expect((await again.received('inside')).nodeIp).toBe(nodeIp);
});
