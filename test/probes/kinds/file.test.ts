import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { file } from '../../../probes/kinds/file.ts';
import { pass, reason } from '../../fixtures/probes/attempts.ts';
import { folder } from '../../fixtures/probes/servers.ts';

test('existence, also through symlinks', async () => {
  const path = `${folder()}/f`;
  expect(await reason(file(path))).toBe(`${path} does not exist`);
  expect(await reason(file(`${path}/under/a/file`))).toBe(`${path}/under/a/file does not exist`);
  symlinkSync(`${path}.target`, path);
  expect(await reason(file(path))).toBe(`${path} does not exist`);
  writeFileSync(`${path}.target`, '');
  await pass(file(path));
});

test('not empty, on request', async () => {
  const path = `${folder()}/f`;
  writeFileSync(path, '');
  expect(await reason(file(path, { notEmpty: true }))).toBe(`${path} is empty`);
  writeFileSync(path, 'x');
  await pass(file(path, { notEmpty: true }));
});

test('a folder is not a file', async () => {
  const path = `${folder()}/f`;
  mkdirSync(path);
  expect(await reason(file(path))).toBe(`${path} is a folder`);
});

test('a symlink to itself is a reason', async () => {
  const path = `${folder()}/f`;
  symlinkSync(path, path);
  expect(await reason(file(path))).toContain('ELOOP');
});
