import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, it, onTestFinished } from 'vitest';
import { file } from '../../probes/kinds/file.ts';
import { Unhealthy } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import { lockFile } from '../../src/instance/lock.ts';
import { nodePaths } from '../../src/lib/paths.ts';
import { cli, tempDir } from '../support/cli.ts';
import { leftoversSince, snapshotHost } from '../support/leftovers.ts';

const name = 'down-test';
const { run } = nodePaths(name);
const never = new AbortController().signal;

it('a node that had just begun to start is down, and not was not running', async () => {
  await mkdir(run, { recursive: true });
  await writeFile(lockFile(run), '');
  const { stderr } = await cli(['down', '--name', name]);
  expect(String(stderr)).toContain('node down-test is down');
  expect(existsSync(run)).toBe(false);
});

it('an up that is still reading its config is ended', async () => {
  const pipe = join(await tempDir('down'), 'config.yaml');
  await execa('mkfifo', [pipe]);
  const up = cli(['up', '--config', pipe, '--name', name]);
  onTestFinished(() => void up.kill('SIGKILL'));
  const begun = async (): Promise<void> => {
    const text = await readFile(lockFile(run), 'utf8');
    if (!text.startsWith('starting ')) throw new Unhealthy(text);
  };
  await until(begun, { timeoutMs: 20_000 }, never);
  expect(String((await cli(['down', '--name', name])).stderr)).toBe('node down-test is down');
  expect((await up).signal).toBe('SIGTERM');
  expect(existsSync(run)).toBe(false);
});

it('a node that is down at once after its lock is there has ended in order, and leaves nothing', async () => {
  const dir = await tempDir('down');
  const config = join(dir, 'graph.yaml');
  await writeFile(config, 'kubernetes: false\ncomponents: { a: { command: [sleep, infinity] } }\n');
  const node = ['--name', name, '--data-dir', join(dir, 'data')];
  const before = await snapshotHost();
  const up = cli(['up', ...node, '--config', config]);
  onTestFinished(() => void up.kill('SIGKILL'));
  await until(file(lockFile(run)), { timeoutMs: 20_000, periodMs: 1, maxPeriodMs: 1 }, never);
  expect(String((await cli(['down', ...node])).stderr)).toBe('node down-test is down');
  // By its default action where nothing had been started yet.
  const { exitCode, signal } = await up;
  expect([0, 'SIGTERM']).toContain(signal ?? exitCode);
  expect(await leftoversSince(before, name)).toEqual([]);
});
