import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { inNamespaces } from '../support/namespaces.ts';
import { tempDir } from '../support/cli.ts';

const imports = `const { mountAll } = await use('sandbox/mounts.js'); const { run } = await use('host/tool.js');`;

test('mounts in the given order, with any characters in the paths', async () => {
  const dir = await tempDir('fstab');
  const [source, target] = [join(dir, String.raw`a b#\040`), join(dir, 'over it/c')];
  mkdirSync(source);
  const lines = [
    ['own', source, 'tmpfs', 'mode=700'],
    [source, target, 'none', 'bind,X-mount.mkdir'],
  ];
  const mount = await inNamespaces(
    ':',
    `${imports}
    await run(mountAll('${dir}/fstab', ${JSON.stringify(lines)}));
    return sh('findmnt --noheadings --output SOURCE,OPTIONS --mountpoint "${target}"');`,
  );
  expect(mount).toMatch(/^own +.*mode=700/);
});

test('reports which mount failed, and why', async () => {
  const dir = await tempDir('fstab');
  mkdirSync(join(dir, 'fine'));
  const lines = [
    ['own', `${dir}/fine`, 'tmpfs', 'mode=700'],
    [`${dir}/nowhere`, `${dir}/fine`, 'none', 'bind'],
  ];
  const error = await inNamespaces(
    ':',
    `${imports} await run(mountAll('${dir}/fstab', ${JSON.stringify(lines)}));`,
  );
  expect(error).toMatchObject({
    code: 'preflight',
    message: expect.stringContaining(
      `--fstab ${dir}/fstab: mount: ${dir}/fine: special device ${dir}/nowhere does not exist.`,
    ),
  });
});
