import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { apart } from '../support/apart.ts';
import { tempDir } from '../support/cli.ts';

const use = `const { mountAll } = await use('sandbox/mounts.js'); const { run } = await use('host/tool.js');`;

test('mounts one after the other, whatever the folders are called', async () => {
  const dir = await tempDir('fstab');
  const [memory, place] = [join(dir, String.raw`a b#\040`), join(dir, 'over it/c')];
  mkdirSync(memory);
  const lines = [
    ['own', memory, 'tmpfs', 'mode=700'],
    [memory, place, 'none', 'bind,X-mount.mkdir'],
  ];
  const found = await apart(
    ':',
    `${use}
    await run(mountAll('${dir}/fstab', ${JSON.stringify(lines)}));
    return sh('findmnt --noheadings --output SOURCE,OPTIONS --mountpoint "${place}"');`,
  );
  expect(found).toMatch(/^own +.*mode=700/);
});

test('says which mount failed, and why', async () => {
  const dir = await tempDir('fstab');
  mkdirSync(join(dir, 'fine'));
  const lines = [
    ['own', `${dir}/fine`, 'tmpfs', 'mode=700'],
    [`${dir}/nowhere`, `${dir}/fine`, 'none', 'bind'],
  ];
  const failed = await apart(':', `${use} await run(mountAll('${dir}/fstab', ${JSON.stringify(lines)}));`);
  expect(failed).toMatchObject({
    code: 'preflight',
    message: expect.stringContaining(
      `--fstab ${dir}/fstab: mount: ${dir}/fine: special device ${dir}/nowhere does not exist.`,
    ),
  });
});
