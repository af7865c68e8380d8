import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { file } from '../../probes/kinds/file.ts';
import { until } from '../../probes/until.ts';
import { cli, tempDir } from '../support/cli.ts';

it('down --purge removes the files of the node and keeps all others', async () => {
  const data = await tempDir('purge');
  for (const folder of ['etcd', 'pki', 'log', 'system-folders', 'dns', 'helper', 'volumes'])
    await mkdir(join(data, folder));
  // What a write that was killed leaves.
  await writeFile(join(data, 'boot.json.0123456789ab.tmp'), '{');
  await writeFile(join(data, 'thesis.tex'), 'years of work');
  const { stderr } = await cli(['down', '--name', 'purge-test', '--data-dir', data, '--purge']);
  expect(await readdir(data)).toEqual(['thesis.tex']);
  expect(String(stderr)).toContain("as it is not the node's: thesis.tex");
});

it('down --purge removes the folder if it contains no other files', async () => {
  const data = join(await tempDir('purge'), 'node');
  await mkdir(join(data, 'etcd'), { recursive: true });
  await cli(['down', '--name', 'purge-test', '--data-dir', data, '--purge']);
  expect(existsSync(data)).toBe(false);
});

it('a data folder can be used by one node at a time', async () => {
  const folder = await tempDir('data-lock');
  const [data, config] = [join(folder, 'data'), join(folder, 'node.yaml')];
  await writeFile(config, 'kubernetes: false\ncomponents: { a: { command: [sleep, infinity] } }\n');
  const args = (command: string, name: string): string[] => [command, '--name', name, '--data-dir', data];
  const first = cli([...args('up', 'data-lock-1'), '--config', config]);
  onTestFinished(async () => void (await cli(args('down', 'data-lock-1'))));
  await until(file(join(data, 'log/a.log')), { timeoutMs: 20_000 }, new AbortController().signal);
  for (const command of [
    args('down', 'data-lock-2').concat('--purge'),
    [...args('up', 'data-lock-2'), '--config', config],
  ]) {
    const { exitCode, stderr } = await cli(command);
    expect(String(stderr)).toContain(`the data folder ${data} is in use by node data-lock-1`);
    expect(exitCode).toBe(3);
  }
  expect(existsSync('/run/k8s-single/data-lock-2')).toBe(false);
  first.kill('SIGTERM');
  expect((await first).exitCode).toBe(0);
  await cli([...args('down', 'data-lock-2'), '--purge']);
  expect(existsSync(data)).toBe(false);
});
