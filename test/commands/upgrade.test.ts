import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, test } from 'vitest';
import { versionsTo } from '../../src/commands/upgrade.ts';
import { kubernetesBinaries } from '../../src/install/find/binaries.ts';
import { recordDataVersions } from '../../src/kubernetes/dataVersions.ts';
import { cli, tempDir } from '../support/cli.ts';

const node = { name: 'default' };

test.each([
  ['1.23', '1.20.2', ['1.21', '1.22', '1.23']],
  ['v1.22.4', '1.20.2', ['1.21', '1.22.4']],
  ['1.21.0', '1.20.15', ['1.21.0']],
  ['1.20.9', '1.20.2', []],
])('the way to %s from %s is %j', (to, from, steps) => {
  expect(versionsTo(to, from, node)).toEqual(steps);
});

test.each([
  ['newest', '1.20.2', 'usage', /expected a version of Kubernetes like 1\.30/, undefined],
  ['2.0', '1.20.2', 'usage', /expected a version of Kubernetes/, undefined],
  [
    '1.19',
    '1.20.2',
    'preflight',
    /is of Kubernetes 1\.20\.2: an older version cannot read it/,
    /up --kubernetes 1\.20; or anew: k8s-single down --purge/,
  ],
  ['1.30', undefined, 'preflight', /no data of which the version/, /k8s-single up --kubernetes 1\.30/],
])('to %s from %s there is no way', (to, from, code, message, hint) => {
  expect(() => versionsTo(to, from, node)).toThrow(
    expect.objectContaining({
      code,
      message: expect.stringMatching(message),
      ...(hint && { hint: expect.stringMatching(hint) }),
    }),
  );
});

async function usedData(): Promise<string> {
  const data = await tempDir('upgrade-command');
  await mkdir(join(data, 'etcd/member/snap'), { recursive: true });
  recordDataVersions(data, { 'kube-apiserver': '1.20.2', etcd: '3.4.23' });
  return data;
}

async function upgrade(data: string, ...args: string[]) {
  return cli(['upgrade', '--name', 'upgrade-command', '--data-dir', data, ...args]);
}

it('has nothing to do for the minor version of the data', async () => {
  expect(await upgrade(await usedData(), '--to', '1.20')).toMatchObject({
    exitCode: 0,
    stderr: expect.stringContaining('is of Kubernetes 1.20.2 already'),
  });
});

it('refuses before the first step when a version on the way is not there', async () => {
  const data = await usedData();
  // Only the first step has a folder of its own, and a folder of an older version is for none of them.
  const folders = await Promise.all(
    ['1.21.3', '1.20.9'].map(async (version) => {
      const dir = join(data, `bin-${version}`);
      await mkdir(dir);
      for (const name of [...kubernetesBinaries, 'kubectl'])
        await writeFile(join(dir, name), `#!/bin/sh\necho Kubernetes v${version}\n`, { mode: 0o755 });
      return dir;
    }),
  );
  const binDirs = folders.flatMap((dir) => ['--bin-dir', dir]);
  const result = await upgrade(data, '--to', '1.22', '--no-install', ...binDirs);
  expect(result.exitCode).toBe(6);
  expect(String(result.stderr)).toMatch(/^k8s-single: Kubernetes 1\.22, on the way: /);
  expect(String(result.stderr)).toContain('--bin-dir, several times; nothing was changed');
  expect(String(result.stderr)).not.toContain('upgrade to Kubernetes');
});

it('needs the version to reach', async () => {
  const data = await usedData();
  expect(await upgrade(data)).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining("required option '--to <version>' not specified"),
  });
});
