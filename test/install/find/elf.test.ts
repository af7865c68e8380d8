import { copyFile, open, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { programOf } from '../../../src/install/find/elf.ts';
import { tempDir } from '../../support/cli.ts';

test('a program is of the machine it was linked for', async () => {
  expect(programOf(process.execPath)).toEqual({ kind: 'elf', arch: process.arch, static: false });
});

test('a program without an interpreter is static', async () => {
  // libc-bin's ldconfig has to run when no library can be found.
  expect(programOf('/sbin/ldconfig')).toMatchObject({ kind: 'elf', static: true });
});

test('another e_machine is another architecture', async () => {
  const file = join(await tempDir('elf'), 'true');
  await copyFile('/bin/true', file);
  await setMachine(file, 183);
  expect(programOf(file)).toMatchObject({ arch: 'arm64' });
  await setMachine(file, 4242);
  expect(programOf(file)).toMatchObject({ arch: 'machine 4242' });
});

test('a script is a program, a text or a cut-off file is none', async () => {
  const dir = await tempDir('elf');
  await writeFile(join(dir, 'script'), '#!/bin/sh\n');
  await writeFile(join(dir, 'text'), 'etcd\n');
  await writeFile(join(dir, 'empty'), '');
  await copyFile('/bin/true', join(dir, 'cut'));
  await truncate(join(dir, 'cut'), 30);
  expect(programOf(join(dir, 'script'))).toEqual({ kind: 'script' });
  for (const name of ['text', 'empty', 'cut'])
    expect(programOf(join(dir, name))).toEqual({ kind: 'neither' });
});

async function setMachine(file: string, machine: number): Promise<void> {
  const handle = await open(file, 'r+');
  await handle.write(Buffer.from([machine & 0xff, machine >> 8]), 0, 2, 18);
  await handle.close();
}
