import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { run } from '../../src/host/tool.ts';

test('runs one command after the other, with literal arguments', async () => {
  expect(await run(['printf', '%s|', 'a b', `it's`, '$HOME', '', '*'], ['echo', 'end'])).toBe(
    `a b|it's|$HOME||*|end`,
  );
});

test('stops at the first command that fails and shows it with its stderr', async () => {
  const failure = run(
    ['true'],
    ['mount', '--no-mtab', '-t', 'tmpfs', 'tmpfs', '/no/such place'],
    ['echo', 'never'],
  );
  await expect(failure).rejects.toMatchObject({
    code: 'preflight',
    message: expect.stringMatching(
      /^mount --no-mtab -t tmpfs tmpfs '\/no\/such place': mount: .*mount point does not exist/,
    ),
  });
});

test('names the Debian package of a tool that is missing', async () => {
  const path = process.env['PATH'];
  onTestFinished(() => void (process.env['PATH'] = path));
  // A folder with a shell and nothing else.
  const bin = mkdtempSync(join(tmpdir(), 'k8s-single-bin-'));
  onTestFinished(() => rmSync(bin, { recursive: true }));
  symlinkSync('/bin/sh', join(bin, 'sh'));
  process.env['PATH'] = bin;
  const failure = run(['mount', '--make-rshared', '/no such place']);
  await expect(failure).rejects.toMatchObject({
    message: 'mount is not installed',
    hint: 'apt-get install mount',
  });
});
