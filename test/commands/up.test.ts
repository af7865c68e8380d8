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

const name = 'begin-test';

it.for([
  { what: 'a mistake in the config', args: ['--timeout', 'soon'], exitCode: 2 },
  { what: 'the same of a node in the background', args: ['--detach', '--timeout', 'soon'], exitCode: 2 },
  { what: 'binaries that are missing', args: ['--no-install'], exitCode: 6 },
])('$what leaves nothing of a node whose process has been started', async ({ args, exitCode }) => {
  const before = await snapshotHost();
  const data = join(await tempDir('begin'), 'new', 'data');
  // A cache in which there is nothing.
  const env = { XDG_CACHE_HOME: join(data, 'cache') };
  const up = await cli(['up', '--name', name, '--data-dir', data, ...args], { env });
  expect(up.exitCode).toBe(exitCode);
  expect(existsSync(dirname(data))).toBe(false);
  expect(existsSync(nodePaths(name).run)).toBe(false);
  expect(await leftoversSince(before, name)).toEqual([]);
});

it('a start that comes to nothing keeps the data that is there', async () => {
  const data = join(await tempDir('begin'), 'data');
  await mkdir(data);
  await writeFile(join(data, 'precious'), '');
  const { exitCode } = await cli(['up', '--name', name, '--data-dir', data, '--timeout', 'soon']);
  expect(exitCode).toBe(2);
  expect(await readdir(data)).toEqual(['precious']);
});

it('a data folder that cannot be made is told, and leaves nothing', async () => {
  const before = await snapshotHost();
  const place = join(await tempDir('begin'), 'file');
  await writeFile(place, 'precious');
  const { exitCode, stderr } = await cli(['up', '--name', name, '--data-dir', join(place, 'data')]);
  expect(stderr).toContain(`the data folder ${join(place, 'data')} cannot be written: ENOTDIR`);
  expect(exitCode).toBe(3);
  expect(existsSync(nodePaths(name).run)).toBe(false);
  expect(await leftoversSince(before, name)).toEqual([]);
});

it('a run that is ended before its node is told anything says which signal it was', async () => {
  const before = await snapshotHost();
  const running = cli(['run', '--name', name, '--', 'true']);
  const quick = { timeoutMs: 20_000, periodMs: 1, maxPeriodMs: 1 };
  await until(file(lockFile(nodePaths(name).run)), quick, new AbortController().signal);
  running.kill('SIGTERM');
  expect((await running).exitCode).toBe(143);
  expect(await leftoversSince(before, name)).toEqual([]);
});
