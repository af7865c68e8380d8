import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { file } from '../../probes/kinds/file.ts';
import { until } from '../../probes/until.ts';
import { lockFile } from '../../src/instance/lock.ts';
import { nodePaths } from '../../src/lib/paths.ts';
import { cli, tempDir } from '../support/cli.ts';
import { leftoversSince, snapshotHost } from '../support/leftovers.ts';

const name = 'up-test';

it.for([
  { what: 'an invalid option', args: ['--timeout', 'soon'], exitCode: 2 },
  { what: 'an invalid option with --detach', args: ['--detach', '--timeout', 'soon'], exitCode: 2 },
  { what: 'a missing binary', args: ['--no-install'], exitCode: 6 },
])('after $what nothing is left of a node whose sandbox has been started', async ({ args, exitCode }) => {
  const before = await snapshotHost();
  const data = join(await tempDir('up'), 'new', 'data');
  // An empty cache.
  const env = { XDG_CACHE_HOME: join(data, 'cache') };
  const up = await cli(['up', '--name', name, '--data-dir', data, ...args], { env });
  expect(up.exitCode).toBe(exitCode);
  expect(existsSync(dirname(data))).toBe(false);
  expect(existsSync(nodePaths(name).run)).toBe(false);
  expect(await leftoversSince(before, name)).toEqual([]);
});

it('a start that fails keeps existing data', async () => {
  const data = join(await tempDir('up'), 'data');
  await mkdir(data);
  await writeFile(join(data, 'precious'), '');
  const { exitCode } = await cli(['up', '--name', name, '--data-dir', data, '--timeout', 'soon']);
  expect(exitCode).toBe(2);
  expect(await readdir(data)).toEqual(['precious']);
});

it('a data folder that cannot be created is reported, and nothing is left', async () => {
  const before = await snapshotHost();
  const notAFolder = join(await tempDir('up'), 'file');
  await writeFile(notAFolder, 'precious');
  const { exitCode, stderr } = await cli(['up', '--name', name, '--data-dir', join(notAFolder, 'data')]);
  expect(stderr).toContain(`the data folder ${join(notAFolder, 'data')} cannot be written: ENOTDIR`);
  expect(exitCode).toBe(3);
  expect(existsSync(nodePaths(name).run)).toBe(false);
  expect(await leftoversSince(before, name)).toEqual([]);
});

it('a run that is interrupted before its node boots exits with 128 + signal', async () => {
  const before = await snapshotHost();
  const running = cli(['run', '--name', name, '--', 'true']);
  const timing = { timeoutMs: 20_000, periodMs: 1, maxPeriodMs: 1 };
  await until(file(lockFile(nodePaths(name).run)), timing, new AbortController().signal);
  running.kill('SIGTERM');
  expect((await running).exitCode).toBe(143);
  expect(await leftoversSince(before, name)).toEqual([]);
});
