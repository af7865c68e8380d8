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
import { boxes, enterBox, newBox } from '../support/box.ts';
import { tempDir } from '../support/cli.ts';

boxes();

/** A box with a server inside that says the name of its node. */
function servingBox() {
  const { name, ...rest } = newBox();
  // Who only looks whether it listens is gone by then: an error that nobody takes would end the server.
  const server = `require('net').createServer((client) => client.on('error', () => {}).end('${name}')).listen(7777)`;
  const script = `'${process.execPath}' -e "${server}" > /dev/null 2>&1 &`;
  return { name, box: enterBox({ name, ...rest }, script, 'stay') };
}

test('two boxes that start at once get subnets of their own, each reached by its own address', async () => {
  const both = [servingBox(), servingBox()];
  for (const { name, box } of both) {
    const { nodeIp } = await box.heard('inside');
    await until(tcp(7777, nodeIp), { timeoutMs: 10_000 }, new AbortController().signal);
    const [said] = await once(connect(7777, nodeIp).setEncoding('utf8'), 'data');
    expect(said).toBe(name);
  }
  const addresses = await Promise.all(both.map(({ box }) => box.heard('inside')));
  expect(new Set(addresses.flatMap(({ nodeIp, hostIp }) => [nodeIp, hostIp])).size).toBe(4);
});

test('a box whose subnet somebody else is just about to take gets another one', async () => {
  const box = newBox();
  const { stdout: routes } = await execa('ip', '-json -4 route show table all'.split(' '));
  const [first] = freeSubnets(box.name, routes);
  await execa('ip', `link add ${first!.interface} type veth peer name ${box.name}`.split(' '));
  onTestFinished(async () => void (await execa('ip', ['link', 'delete', first!.interface])));
  const { nodeIp } = await enterBox(box).heard('inside');
  expect(nodeIp).toMatch(/\.2$/);
  expect(nodeIp).not.toBe(first!.nodeIp);
});

test('a second box of one name is refused, and the first does not notice', async () => {
  const box = newBox();
  const first = enterBox(box, ':', 'stay');
  await first.heard('status');
  const second = enterBox(box);
  expect(await second.heard('failure')).toBe(`node ${box.name} is already running`);
  expect(await second.heard('hint')).toContain(`down --name ${box.name}`);
  first.outer.kill('SIGTERM');
  expect((await first.outer).exitCode).toBe(0);
});

test('a lock whose file is removed before it is had is taken anew', async () => {
  const box = newBox();
  const dir = await tempDir('flock');
  const { stdout: flock } = await execa('sh', ['-c', 'command -v flock']);
  const onlyOnce = `[ -e '${dir}/done' ] || { : > '${dir}/done'; rm '${lockFile(box.run)}'; }`;
  await writeFile(join(dir, 'flock'), `#!/bin/sh\n${onlyOnce}\nexec ${flock} "$@"\n`, { mode: 0o755 });
  const first = enterBox(box, ':', 'stay', { PATH: `${dir}:${process.env['PATH']}` });
  await first.heard('status');
  expect(existsSync(join(dir, 'done'))).toBe(true);
  expect(await enterBox(box).heard('failure')).toBe(`node ${box.name} is already running`);
  first.outer.kill('SIGTERM');
  expect((await first.outer).exitCode).toBe(0);
});

test('a box of another name on the same data folder is refused, and the first does not notice', async () => {
  const { data, ...box } = newBox();
  const first = enterBox({ data, ...box }, ':', 'stay');
  await first.heard('status');
  const second = enterBox({ ...newBox(), data });
  expect(await second.heard('failure')).toContain(
    `the data folder ${data} is in use by node ${box.name} on `,
  );
  expect((await second.outer).exitCode).toBe(3);
  first.outer.kill('SIGTERM');
  expect((await first.outer).exitCode).toBe(0);
  const third = enterBox({ ...newBox(), data });
  expect(await third.heard('exited')).toBe(0);
});

test('of two that start a box of one name at once, exactly one does', async () => {
  const box = newBox();
  const both = [enterBox(box, ':', 'stay'), enterBox(box, ':', 'stay')];
  const outcomes = await Promise.all(
    both.map(async ({ heard }) => Promise.any([heard('status'), heard('failure')])),
  );
  expect(new Set(outcomes)).toEqual(new Set([0, `node ${box.name} is already running`]));
});

test('a box of the same name can be had again, with the same address and what its data folder holds', async () => {
  const box = newBox();
  const [first, second] = [`echo kept > ${box.data}/file`, `cat ${box.data}/file`];
  const before = enterBox(box, first);
  const { nodeIp } = await before.heard('inside');
  await before.outer;
  const after = enterBox(box, second);
  expect(await after.heard('stdout')).toBe('kept\n');
  expect((await after.heard('inside')).nodeIp).toBe(nodeIp);
});

test('the exit code of the program inside is handed on', async () => {
  const { outer, heard } = enterBox(newBox(), 'exit 42');
  expect(await heard('exited')).toBe(42);
  expect((await outer).exitCode).toBe(42);
});
