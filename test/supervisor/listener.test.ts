import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cli, tempDir } from '../support/cli.ts';

/** A graph that creates a file when it starts. */
async function graph(): Promise<{ dir: string; up: string[] }> {
  const dir = await tempDir('listen');
  const config = join(dir, 'graph.yaml');
  const name = 'listen-test';
  await writeFile(
    config,
    `kubernetes: false\nname: ${name}\ndataDir: ${dir}/data\ncomponents: { a: { command: [touch, ${dir}/started] } }\n`,
  );
  return { dir, up: ['up', '--config', config, '--output', 'plain'] };
}

test('a port in use is refused before anything starts, and the error names its holder', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const address = `127.0.0.1:${(other.address() as AddressInfo).port}`;
  const { dir, up } = await graph();
  const { exitCode, stderr } = await cli([...up, '--listen', address]);
  expect(exitCode).toBe(3);
  expect(stderr).toContain(`cannot listen on ${address}: it is held by pid ${process.pid} (`);
  expect((await cli(['probe', 'file', join(dir, 'started')])).exitCode).toBe(1);
  other.close();
});

test('an address other than loopback is refused', async () => {
  const { up } = await graph();
  const { exitCode, stderr } = await cli([...up, '--listen', '0.0.0.0:9990']);
  expect(exitCode).toBe(2);
  expect(stderr).toContain('listen: expected a port on a loopback address, like 127.0.0.1:9990');
});
