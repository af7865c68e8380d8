import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { NodeConfig } from '../../../src/config/schema/node.ts';
import { assertDnsServer, chooseDnsServer } from '../../../src/kubernetes/dns/chooseServer.ts';
import { tempDir } from '../../support/cli.ts';

/** A folder with a program that prints the version of CoreDNS as it does. */
async function folderWith(version: string): Promise<string> {
  const folder = await tempDir('coredns');
  const program = join(folder, 'coredns');
  await writeFile(program, `#!/bin/sh\nprintf 'CoreDNS-%s\\nlinux/amd64, go1.21\\n' ${version}\n`);
  await chmod(program, 0o755);
  return folder;
}

async function choose(config: Partial<NodeConfig['dns']>, minor: number, folder = '/none') {
  const versionCache = join(await tempDir('versions'), 'versions.json');
  return chooseDnsServer({ server: 'auto', ...config }, { searchPath: folder, minor, versionCache });
}

test('without a binary of CoreDNS the embedded server answers', async () => {
  const choice = await choose({}, 34);
  expect(choice.server).toEqual({ kind: 'embedded' });
  expect(choice.result).toMatchObject({
    level: 'ok',
    message: expect.stringContaining('the embedded server'),
  });
});

test('a binary of CoreDNS that fits the version of Kubernetes is taken', async () => {
  const folder = await folderWith('1.11.1');
  const choice = await choose({}, 34, folder);
  expect(choice.server).toEqual({ kind: 'coredns', program: join(folder, 'coredns') });
  expect(choice.result.message).toContain('CoreDNS 1.11.1');
});

test.each([
  ['1.11.1', 20, 'Kubernetes 1.20 needs 1.7.0 to 1.10.x'],
  ['1.8.0', 34, 'Kubernetes 1.34 needs 1.8.4 or newer'],
])('CoreDNS %s does not fit Kubernetes 1.%d, which up and doctor say', async (version, minor, reason) => {
  const folder = await folderWith(version);
  const choice = await choose({}, minor, folder);
  expect(choice.server).toEqual({ kind: 'embedded' });
  expect(choice.result).toMatchObject({ level: 'note', message: expect.stringContaining(reason) });
  expect(() => assertDnsServer(choice)).not.toThrow();
  const asked = await choose({ server: 'coredns' }, minor, folder);
  expect(asked.result).toMatchObject({ level: 'problem', message: expect.stringContaining(reason) });
});

test('CoreDNS that is asked for and not there is a problem, before anything starts', async () => {
  const choice = await choose({ server: 'coredns' }, 34);
  expect(() => assertDnsServer(choice)).toThrow('dns: no coredns in the bin-dirs, PATH or the cache');
});

test('a Corefile that does not exist is a problem', async () => {
  const folder = await folderWith('1.11.1');
  const { result } = await choose({ corefile: '/none/Corefile' }, 34, folder);
  expect(result).toMatchObject({ level: 'problem', message: 'there is no Corefile /none/Corefile' });
});

test('the config decides', async () => {
  const folder = await folderWith('1.11.1');
  expect((await choose({ server: 'none' }, 34, folder)).server).toEqual({ kind: 'none' });
  expect((await choose({ server: 'embedded' }, 34, folder)).server).toEqual({ kind: 'embedded' });
});
