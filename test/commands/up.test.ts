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
  expect(stderr).toContain(
    `${join(notAFolder, 'data')} cannot be made: ${notAFolder} is a file, not a folder`,
  );
  expect(exitCode).toBe(3);
  expect(existsSync(nodePaths(name).run)).toBe(false);
  expect(await leftoversSince(before, name)).toEqual([]);
});

it.for(['up', 'doctor'])(
  '%s refuses a data path that is too long for the kubelet, and leaves nothing',
  async (command) => {
    const before = await snapshotHost();
    const data = join(await tempDir('begin'), 'a'.repeat(60));
    const { exitCode, stdout, stderr } = await cli([command, '--name', name, '--data-dir', data]);
    expect([stdout, stderr].join('\n')).toMatch(
      /data path.*: at most 72 fit into the path of the kubelet's socket/,
    );
    expect(exitCode).toBe(3);
    expect(existsSync(data)).toBe(false);
    expect(await leftoversSince(before, name)).toEqual([]);
  },
);

it('a clock that was never set is refused before a certificate is made', async () => {
  const dir = await tempDir('begin');
  const past = join(dir, 'past.cjs');
  await writeFile(past, "const { now } = Date; Date.now = () => now() - Date.parse('2026-06-01');");
  const env = { NODE_OPTIONS: `--require ${past}` };
  const { exitCode, stderr } = await cli(['up', '--name', name, '--data-dir', join(dir, 'data')], { env });
  expect(stderr).toMatch(
    /clock: \d{4}-.* is wrong, as this program was built on 2\d{3}-\d\d-\d\d: certificates made now would be/,
  );
  expect(exitCode).toBe(3);
  expect(existsSync(join(dir, 'data'))).toBe(false);
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
