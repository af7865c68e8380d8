import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { main, tempDir } from '../support/cli.ts';

it('ends only when all it has printed is read, however slowly', async () => {
  const config = join(await tempDir('main'), 'config.yaml');
  // More than a pipe takes: 64 KiB (pipe(7)).
  const names = Array.from({ length: 6000 }, (_name, index) => `component-${index}`);
  const components = names.map((name) => `  ${name}: { command: ['true'] }`);
  await writeFile(config, ['kubernetes: false', 'components:', ...components].join('\n'));
  const args = ['graph', '--config', config];
  const { stdout } = await execa(process.execPath, [main, ...args]);
  expect(stdout.length).toBeGreaterThan(100_000);
  // dd reads it byte by byte.
  const slowly = await execa('sh', ['-c', '"$@" | dd bs=1', 'sh', process.execPath, main, ...args]);
  expect(slowly.stdout).toBe(stdout);
});

it('ends with the exit code of the command', async () => {
  const { exitCode } = await execa(process.execPath, [main, 'status', '--name', 'nobody'], { reject: false });
  expect(exitCode).toBe(4);
});
