import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, it, onTestFinished } from 'vitest';
import { cli, main, tempDir } from '../support/cli.ts';
import { blocks } from '../support/docs.ts';
import { leftoversSince, snapshotHost } from '../support/leftovers.ts';

const name = 'e2e-docs';

/** The commands of the `console` blocks of a page, in order: what follows `$ `. */
async function commands(page: string): Promise<string[]> {
  const lines = (await blocks('console', page)).flatMap(({ text }) => text.split('\n'));
  const found = lines.filter((line) => line.startsWith('$ ')).map((line) => line.slice(2));
  // The node of the examples is the default one. `K8S_SINGLE_NAME` selects another one, which paths do not know.
  return found.map((command) => command.replaceAll('/k8s-single/default/', `/k8s-single/${name}/`));
}

it('has no other commands in the pages', async () => {
  const found = new Set((await blocks('console')).map(({ page }) => page));
  expect([...found]).toEqual(['README.md', 'docs/operations.md']);
});

it.each(['README.md', 'docs/operations.md'])('the commands of %s work, one after the other', async (page) => {
  const dir = await tempDir('docs');
  const program = join(dir, 'k8s-single');
  await writeFile(program, `#!/bin/sh\nexec ${process.execPath} ${main} "$@"\n`);
  await chmod(program, 0o755);
  const env = { PATH: `${dir}:${process.env['PATH']}`, K8S_SINGLE_NAME: name, no_proxy: '*' };
  await cli(['down', '--name', name, '--purge']);
  onTestFinished(async () => void (await cli(['down', '--name', name, '--purge'])));

  const before = await snapshotHost();
  const examples = await commands(page);
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
