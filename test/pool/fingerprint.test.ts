import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { ephemeralName } from '../../src/launcher/ephemeral.ts';
import { poolFingerprint } from '../../src/pool/protocol.ts';
import { loadNodeConfig } from '../../src/supervisor/options.ts';
import type { ConfigOptions } from '../../src/supervisor/options.ts';

let folder = '';
let count = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'k8s-single-'));
});
afterAll(async () => rm(folder, { recursive: true }));
beforeEach(() => vi.unstubAllEnvs());

/** Of the config of a node with another name each time. */
async function fingerprint(options: Partial<ConfigOptions> = {}): Promise<string> {
  const name = ephemeralName('pool');
  const dataDir = join('/run/k8s-single', name, 'data');
  return poolFingerprint(await loadNodeConfig({ name, dataDir, ...options }), 'auto');
}

async function file(text: string): Promise<string> {
  const path = join(folder, `file-${(count += 1)}`);
  await writeFile(path, text);
  return path;
}

test('is the same for all nodes of a config', async () => {
  const config = await file('kubelet: { maxPods: 30 }\n');
  expect(await fingerprint({ config })).toBe(await fingerprint({ config }));
  expect(await fingerprint({ config })).not.toBe(await fingerprint());
});

test('does not depend on what differs between two scripts of npm', async () => {
  const config = await file('components: { job: { command: [sleep, inf] } }\n');
  const before = await fingerprint({ config });
  vi.stubEnv('npm_lifecycle_event', 'test');
  vi.stubEnv('SHLVL', '7');
  expect(await fingerprint({ config })).toBe(before);
});

test('is another one when a program in a folder of binaries is another one', async () => {
  const binDir = join(folder, 'bin');
  await mkdir(binDir);
  await writeFile(join(binDir, 'kubelet'), 'one');
  const before = await fingerprint({ binDir: [binDir] });
  expect(await fingerprint({ binDir: [binDir] })).toBe(before);
  await writeFile(join(binDir, 'kubelet'), 'two!');
  expect(await fingerprint({ binDir: [binDir] })).not.toBe(before);
});

test('is another one when a file of a component of one’s own is, which starts from the folder of the config', async () => {
  await writeFile(join(folder, 'job.env'), 'A=1\n');
  const config = await file('components: { job: { command: [sleep, inf], envFile: [job.env] } }\n');
  const before = await fingerprint({ config });
  expect(await fingerprint({ config })).toBe(before);
  await writeFile(join(folder, 'job.env'), 'A=12\n');
  expect(await fingerprint({ config })).not.toBe(before);
});

test('is another one in another environment, if something of one’s own inherits that', async () => {
  const plain = await fingerprint();
  const config = await file('components: { job: { command: [sleep, inf] } }\n');
  const before = await fingerprint({ config });
  vi.stubEnv('SOMETHING', 'else');
  expect(await fingerprint({ config })).not.toBe(before);
  expect(await fingerprint()).toBe(plain);
});

test('is another one for binaries from elsewhere', async () => {
  const config = await loadNodeConfig({});
  expect(poolFingerprint(config, 'debian')).not.toBe(poolFingerprint(config, 'auto'));
});
