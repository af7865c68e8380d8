import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, it, onTestFinished } from 'vitest';
import { cli, tempDir } from '../support/cli.ts';

/** Runs `up` with one component and its data on a separate file system. */
async function upOn(options: string, component: (dir: string) => string) {
  const config = join(await tempDir('disk-config'), 'node.yaml');
  const dir = await tempDir('disk');
  await execa('mount', ['--no-mtab', '-t', 'tmpfs', '-o', options, 'tmpfs', dir]);
  onTestFinished(async () => void (await execa('umount', ['--no-mtab', dir])));
  await writeFile(config, `kubernetes: false\ncomponents:\n  a: ${component(dir)}\n`);
  const args = ['--config', config, '--name', 'disk-test', '--data-dir', dir, '--output', 'plain'];
  const { exitCode, stderr } = await cli(['up', ...args]);
  return { exitCode, stderr: String(stderr), dir };
}

it('a data folder that is read-only is refused', async () => {
  const { exitCode, stderr, dir } = await upOn('ro', () => '{ command: [sleep, "9"] }');
  expect(stderr).toContain(`the data folder ${dir} cannot be written`);
  expect(exitCode).toBe(3);
});

it('a full disk does not hide the failure that it caused', async () => {
  const { exitCode, stderr } = await upOn('size=1m', (dir) => {
    const fill = `head -c 2000000 /dev/zero > ${dir}/fill; echo no room left; exit 3`;
    return `{ command: "${fill}", shell: true, restart: { when: never } }`;
  });
  expect(stderr).toContain('a ended and is not to be restarted: exited with code 3');
  expect(exitCode).toBe(5);
});
