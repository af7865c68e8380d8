import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, onTestFinished, test } from 'vitest';
import { tcp } from '../../probes/kinds/tcp.ts';
import { until } from '../../probes/until.ts';
import { lockFile } from '../../src/instance/lock.ts';
import { freeSubnets } from '../../src/sandbox/network.ts';
import { sandboxes, startSandbox, newSandbox } from '../support/sandbox.ts';
import { tempDir } from '../support/cli.ts';

sandboxes();

/** A sandbox with a server that sends the name of its node to each client. */
function servingSandbox() {
  const { name, ...rest } = newSandbox();
  // The TCP probe closes its connection at once: an unhandled error event would end the server.
  const server = `require('net').createServer((client) => client.on('error', () => {}).end('${name}')).listen(7777)`;
  const script = `'${process.execPath}' -e "${server}" > /dev/null 2>&1 &`;
  return { name, sandbox: startSandbox({ name, ...rest }, script, 'stay') };
}

test('two sandboxes that start concurrently get different subnets, and each can be reached at its own address', async () => {
  const both = [servingSandbox(), servingSandbox()];
  for (const { name, sandbox } of both) {
    const { nodeIp } = await sandbox.received('inside');
    await until(tcp(7777, nodeIp), { timeoutMs: 10_000 }, new AbortController().signal);
    const [output] = await once(connect(7777, nodeIp).setEncoding('utf8'), 'data');
    expect(output).toBe(name);
  }
  const addresses = await Promise.all(both.map(({ sandbox }) => sandbox.received('inside')));
  expect(new Set(addresses.flatMap(({ nodeIp, hostIp }) => [nodeIp, hostIp])).size).toBe(4);
});

test('a sandbox takes another subnet if the interface of the first is being created', async () => {
  const sandbox = newSandbox();
  const { stdout: routes } = await execa('ip', '-json -4 route show table all'.split(' '));
  const [first] = freeSubnets(sandbox.name, routes);
  await execa('ip', `link add ${first!.interface} type veth peer name ${sandbox.name}`.split(' '));
  onTestFinished(async () => void (await execa('ip', ['link', 'delete', first!.interface])));
  const { nodeIp } = await startSandbox(sandbox).received('inside');
  expect(nodeIp).toMatch(/\.2$/);
  expect(nodeIp).not.toBe(first!.nodeIp);
});

test('a second sandbox with the same name is refused, and the first continues', async () => {
  const sandbox = newSandbox();
  const first = startSandbox(sandbox, ':', 'stay');
  await first.received('status');
  const second = startSandbox(sandbox);
  expect(await second.received('failure')).toBe(`node ${sandbox.name} is already running`);
  expect(await second.received('hint')).toContain(`down --name ${sandbox.name}`);
  first.outer.kill('SIGTERM');
  expect((await first.outer).exitCode).toBe(0);
});

test('acquiring a lock is repeated if its file is removed meanwhile', async () => {
  const sandbox = newSandbox();
  const dir = await tempDir('flock');
  const { stdout: flock } = await execa('sh', ['-c', 'command -v flock']);
  const onlyOnce = `[ -e '${dir}/done' ] || { : > '${dir}/done'; rm '${lockFile(sandbox.run)}'; }`;
  await writeFile(join(dir, 'flock'), `#!/bin/sh\n${onlyOnce}\nexec ${flock} "$@"\n`, { mode: 0o755 });
  const first = startSandbox(sandbox, ':', 'stay', { PATH: `${dir}:${process.env['PATH']}` });
  await first.received('status');
  expect(existsSync(join(dir, 'done'))).toBe(true);
  expect(await startSandbox(sandbox).received('failure')).toBe(`node ${sandbox.name} is already running`);
  first.outer.kill('SIGTERM');
  expect((await first.outer).exitCode).toBe(0);
});

test('a second sandbox on the same data folder is refused, and the first continues', async () => {
  const { data, ...sandbox } = newSandbox();
  const first = startSandbox({ data, ...sandbox }, ':', 'stay');
  await first.received('status');
  const second = startSandbox({ ...newSandbox(), data });
  expect(await second.received('failure')).toContain(
    `the data folder ${data} is in use by node ${sandbox.name} on `,
  );
  expect((await second.outer).exitCode).toBe(3);
  first.outer.kill('SIGTERM');
  expect((await first.outer).exitCode).toBe(0);
  const third = startSandbox({ ...newSandbox(), data });
  expect(await third.received('exited')).toBe(0);
});

test('of two concurrent starts with the same name exactly one succeeds', async () => {
  const sandbox = newSandbox();
  const both = [startSandbox(sandbox, ':', 'stay'), startSandbox(sandbox, ':', 'stay')];
  const outcomes = await Promise.all(
    both.map(async ({ received }) => Promise.any([received('status'), received('failure')])),
  );
  expect(new Set(outcomes)).toEqual(new Set([0, `node ${sandbox.name} is already running`]));
});

test('a sandbox that is started again has the same address and data', async () => {
  const sandbox = newSandbox();
  const [first, second] = [`echo kept > ${sandbox.data}/file`, `cat ${sandbox.data}/file`];
  const before = startSandbox(sandbox, first);
  const { nodeIp } = await before.received('inside');
  await before.outer;
  const after = startSandbox(sandbox, second);
  expect(await after.received('stdout')).toBe('kept\n');
  expect((await after.received('inside')).nodeIp).toBe(nodeIp);
});

test('the launcher exits with the exit code of the program inside', async () => {
  const { outer, received } = startSandbox(newSandbox(), 'exit 42');
  expect(await received('exited')).toBe(42);
  expect((await outer).exitCode).toBe(42);
});
