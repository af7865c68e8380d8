import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, it, onTestFinished } from 'vitest';
import { imageArchive } from '../../../src/kubernetes/images/imageArchive.ts';
import { tempDir } from '../../support/cli.ts';

it('can be used by a container that runs as another user, whatever the umask', async () => {
  const folder = await tempDir('archive');
  const before = process.umask(0o077);
  onTestFinished(() => void process.umask(before));
  const root = join(folder, 'root');
  await mkdir(join(root, 'bin'), { recursive: true });
  await writeFile(join(root, 'bin/pause'), '', { mode: 0o700 });
  await writeFile(join(root, 'file'), '', { mode: 0o600 });
  await imageArchive(folder, { image: 'a:1', root, config: {} });
  const { stdout } = await execa('tar', ['-tvf', join(folder, 'layer.tar')]);
  const modes = stdout.split('\n').map((line) => line.split(/\s+/));
  expect(Object.fromEntries(modes.map((words) => [words.at(-1), words[0]]))).toEqual({
    './': 'drwxr-xr-x',
    './bin/': 'drwxr-xr-x',
    './bin/pause': '-rwxr-xr-x',
    './file': '-rw-r--r--',
  });
});
