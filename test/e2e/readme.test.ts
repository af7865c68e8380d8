import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, it, onTestFinished } from 'vitest';
import { cli, main, tempDir } from '../support/cli.ts';
import { leftoversSince, snapshotHost } from '../support/leftovers.ts';

const name = 'e2e-readme';
const readme = join(import.meta.dirname, '../../README.md');

/** The commands of the README's `console` blocks, in order: what follows `$ `. */
async function commands(): Promise<string[]> {
  const blocks = (await readFile(readme, 'utf8')).matchAll(/^```console\n(.*?)^```/gms);
  const lines = [...blocks].flatMap(([, block = '']) => block.split('\n'));
  return lines.filter((line) => line.startsWith('$ ')).map((line) => line.slice(2));
}

it('the commands of the README work as they stand there, one after the other', async () => {
  const dir = await tempDir('readme');
  const program = join(dir, 'k8s-single');
  await writeFile(program, `#!/bin/sh\nexec ${process.execPath} ${main} "$@"\n`);
  await chmod(program, 0o755);
  const env = { PATH: `${dir}:${process.env['PATH']}`, K8S_SINGLE_NAME: name };
  await cli(['down', '--name', name, '--purge']);
  onTestFinished(async () => void (await cli(['down', '--name', name, '--purge'])));

  const before = await snapshotHost();
  const examples = await commands();
  expect(examples.length).toBeGreaterThan(5);
  for (const command of examples) {
    const result = await execa('bash', ['-c', command], {
      cwd: dir,
      env,
      reject: false,
      all: true,
      stdin: 'ignore',
    });
    expect(result.exitCode, `$ ${command}\n${result.all}`).toBe(0);
  }
  expect(await leftoversSince(before, name)).toEqual([]);
});
