import { existsSync } from 'node:fs';
import { readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, it, onTestFinished } from 'vitest';
import { nodePaths } from '../../src/lib/paths.ts';
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
  const { exitCode, stderr, dir } = await upOn('size=1m', (folder) => {
    const fill = `head -c 2000000 /dev/zero > ${folder}/fill; echo no room left; exit 3`;
    return `{ command: "${fill}", shell: true, restart: { when: never } }`;
  });
  expect(stderr).toContain('a ended and is not to be restarted: exited with code 3');
  expect(exitCode).toBe(5);
  // Whole or not at all: the disk may have a block left.
  const left = (await readdir(dir)).filter((file) => file.startsWith('failure.json'));
  expect(['', 'failure.json']).toContain(left.join());
  for (const file of left) expect(JSON.parse(await readFile(join(dir, file), 'utf8'))).toBeTypeOf('object');
});

it.each([
  ['a file', 'file', (path: string) => `${path} is a file, not a folder`],
  ['below a file', 'file/below/it', (path: string) => `cannot be made: ${path} is a file, not a folder`],
  ['a link to nothing', 'link', (path: string) => `${path} is a link to nothing`],
])(
  'a data folder that is %s is refused before anything starts, and down --purge leaves it',
  async (_what, path, said) => {
    const dir = await tempDir('disk-kind');
    await writeFile(join(dir, 'file'), 'precious');
    await symlink(join(dir, 'nowhere'), join(dir, 'link'));
    const data = join(dir, path);
    const inTheWay = join(dir, path.split('/')[0]!);
    const node = ['--name', 'disk-test', '--data-dir', data];
    for (const command of [['up', '--detach'], ['up']]) {
      const { exitCode, stderr } = await cli([...command, ...node]);
      expect(String(stderr)).toContain(said(inTheWay));
      expect(String(stderr)).toContain('remove what is in the way, or choose another folder: --data-dir');
      expect(exitCode).toBe(3);
    }
    const { exitCode, stderr } = await cli(['down', '--purge', ...node]);
    expect(String(stderr)).toContain(said(inTheWay));
    expect(exitCode).toBe(0);
    expect(await readFile(join(dir, 'file'), 'utf8')).toBe('precious');
    expect(existsSync(nodePaths('disk-test').run)).toBe(false);
  },
);
