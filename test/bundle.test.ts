import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { compileFunction } from 'node:vm';
import { execa } from 'execa';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
const bundle = join(root, 'dist/bundle');

it('is understood by this Node.js, every file of it', async () => {
  const files = (await readdir(bundle)).filter((name) => /\.c?js$/.test(name));
  expect(files).toContain('main.cjs');
  for (const name of files) {
    if (name.endsWith('.cjs')) {
      // As their loader compiles them: a process for each of more than 200 files takes half a minute.
      const text = await readFile(join(bundle, name), 'utf8');
      const compile = () => compileFunction(text.replace(/^#!.*/, ''), ['exports', 'require', 'module']);
      expect(compile, name).not.toThrow();
    } else {
      const { stderr } = await execa(process.execPath, ['--check', join(bundle, name)], { reject: false });
      expect(stderr).toBe('');
    }
  }
});

it('has every program that the commands in front of it start', async () => {
  const commands = await Promise.all(
    ['init', 'k8s-single'].map(async (name) => readFile(join(root, 'bin', name), 'utf8')),
  );
  const programs = commands.flatMap((text) => [...text.matchAll(/dist\/\S+?\.cjs/g)].map(([path]) => path));
  expect(programs.toSorted()).toEqual(['dist/bundle/crashCleanup.cjs', 'dist/bundle/main.cjs']);
  for (const path of programs) expect(existsSync(join(root, path)), path).toBe(true);
});

it('carries the licenses of the libraries that are in it', async () => {
  const licenses = await readFile(join(bundle, 'LICENSES.txt'), 'utf8');
  for (const name of ['got', 'execa', 'commander', 'winston', 'p-retry', 'yaml', 'zod', 'asn1js'])
    expect(licenses).toContain(`Name: ${name}\n`);
});
