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

test('a restart sees what the host has replaced below an overlay', async () => {
  const dir = await tempDir('refresh');
  for (const folder of ['host', 'memory']) mkdirSync(join(dir, folder));
  const output = await inNamespaces(
    ':',
    `${imports} const { refreshSystemFolders } = await use('sandbox/mounts.js');
    const replace = (text) =>
      sh('cd ${dir}/host && echo ' + text + ' > new && mv new own && ln -s ' + text + ' new && mv -T new current');
    const seen = () => sh('cat /opt/own; readlink /opt/current').split(/\\s+/);
    await run(
      ['mount', '--no-mtab', '-t', 'tmpfs', 'host', '${dir}/host'],
      ['mount', '--no-mtab', '-t', 'tmpfs', 'memory', '${dir}/memory'],
      ['mkdir', '${dir}/memory/upper', '${dir}/memory/work'],
    );
    await replace('old');
    const layers = 'lowerdir=${dir}/host,upperdir=${dir}/memory/upper,workdir=${dir}/memory/work';
    await run(['mount', '--no-mtab', '-t', 'overlay', '-o', layers, 'k8s-single-test', '/opt']);
    const first = seen();
    await replace('new');
    const stale = seen();
    await refreshSystemFolders();
    return [first, stale, seen()].map((each) => each.slice(0, 2).join('/'));`,
  );
  expect(output).toEqual(['old/old', 'old/old', 'new/new']);
});
