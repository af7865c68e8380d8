import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, it, onTestFinished } from 'vitest';
import { file } from '../../probes/kinds/file.ts';
import { Unhealthy } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import { lockFile } from '../../src/instance/lock.ts';
import { mergeKubeconfig } from '../../src/kubernetes/kubeconfig/merge.ts';
import { nodePaths } from '../../src/lib/paths.ts';
import { cli, tempDir } from '../support/cli.ts';
import { leftoversSince, snapshotHost } from '../support/leftovers.ts';

const name = 'down-test';
const { run } = nodePaths(name);
const never = new AbortController().signal;

it('a node that has only just taken its lock counts as running', async () => {
  await mkdir(run, { recursive: true });
  await writeFile(lockFile(run), '');
  const { stderr } = await cli(['down', '--name', name]);
  expect(String(stderr)).toContain('node down-test is down');
  expect(existsSync(run)).toBe(false);
});

it('of several at once with --purge, none takes another for a start', async () => {
  const data = join(await tempDir('down'), 'data');
  await mkdir(join(data, 'log'), { recursive: true });
  await mkdir(run, { recursive: true });
  await writeFile(lockFile(run), '');
  const node = ['--name', name, '--data-dir', data];
  const all = await Promise.all([1, 2, 3, 4].map(async () => cli(['down', ...node, '--purge'])));
  for (const { stderr, exitCode } of all) {
    expect(String(stderr)).toMatch(/^node down-test (is down|was not running)$/);
    expect(exitCode).toBe(0);
  }
  expect([existsSync(run), existsSync(data)]).toEqual([false, false]);
});

it('--purge on a disk that is read-only says so, and leaves nothing elsewhere', async () => {
  const data = join(await tempDir('down'), 'data');
  await mkdir(join(data, 'log'), { recursive: true });
  await writeFile(lockFile(data), '');
  await mkdir(run, { recursive: true });
  await writeFile(lockFile(run), '');
  await execa('mount', ['--no-mtab', '--bind', '-o', 'ro', data, data]);
  const { stderr, exitCode } = await cli(['down', '--name', name, '--data-dir', data, '--purge']);
  await execa('umount', ['--no-mtab', data]);
  expect(String(stderr)).toContain(`the data folder ${data} cannot be removed: EROFS`);
  expect([exitCode, existsSync(run)]).toEqual([3, false]);
});

it('ends an up that is still reading its config', async () => {
  const pipe = join(await tempDir('down'), 'config.yaml');
  await execa('mkfifo', [pipe]);
  const up = cli(['up', '--config', pipe, '--name', name]);
  onTestFinished(() => void up.kill('SIGKILL'));
  const isLocked = async (): Promise<void> => {
    const text = await readFile(lockFile(run), 'utf8');
    if (!text.startsWith('starting ')) throw new Unhealthy(text);
  };
  await until(isLocked, { timeoutMs: 20_000 }, never);
  expect(String((await cli(['down', '--name', name])).stderr)).toBe('node down-test is down');
  expect((await up).signal).toBe('SIGTERM');
  expect(existsSync(run)).toBe(false);
});

it('a node that is taken down right after it took its lock stops in order and leaves nothing', async () => {
  const dir = await tempDir('down');
  const config = join(dir, 'graph.yaml');
  await writeFile(config, 'kubernetes: false\ncomponents: { a: { command: [sleep, infinity] } }\n');
  const node = ['--name', name, '--data-dir', join(dir, 'data')];
  const before = await snapshotHost();
  const up = cli(['up', ...node, '--config', config]);
  onTestFinished(() => void up.kill('SIGKILL'));
  await until(file(lockFile(run)), { timeoutMs: 20_000, periodMs: 1, maxPeriodMs: 1 }, never);
  expect(String((await cli(['down', ...node])).stderr)).toBe('node down-test is down');
  // SIGTERM has its default action as long as nothing has been started.
  const { exitCode, signal } = await up;
  expect([0, 'SIGTERM']).toContain(signal ?? exitCode);
  expect(await leftoversSince(before, name)).toEqual([]);
});

describe("the user's kubeconfig", () => {
  const context = 'k8s-single-down-test';
  const own = 'kind: Config\ncontexts:\n- name: lab # mine\n  context: {}\n';

  async function down(kubeconfig: string, ...args: string[]) {
    const data = await tempDir('down-data');
    const { exitCode, stderr } = await cli(['down', '--name', name, '--data-dir', data, ...args], {
      env: { KUBECONFIG: kubeconfig },
    });
    return { exitCode, lines: String(stderr).split('\n') };
  }

  it('loses what `kubeconfig --merge` added with --purge, and nothing else', async () => {
    const kubeconfig = join(await tempDir('down'), 'config');
    await writeFile(kubeconfig, own);
    const entry = (section: string, key: string) => `${section}: [{ name: ${context}, ${key}: {} }]\n`;
    const sections = [entry('clusters', 'cluster'), entry('users', 'user'), entry('contexts', 'context')];
    mergeKubeconfig(kubeconfig, `${sections.join('')}current-context: ${context}\n`);
    const merged = await readFile(kubeconfig, 'utf8');
    const kept = await down(kubeconfig);
    expect(kept.lines).toEqual([`node ${name} was not running`]);
    expect(await readFile(kubeconfig, 'utf8')).toBe(merged);
    const purged = await down(kubeconfig, '--purge');
    expect(purged.exitCode).toBe(0);
    expect(purged.lines).toEqual([
      `removed the context of node ${name} from ${kubeconfig}`,
      `node ${name} was not running`,
    ]);
    const rest = await readFile(kubeconfig, 'utf8');
    expect(rest).toContain('- name: lab # mine');
    expect(rest).not.toContain(context);
    expect((await down(kubeconfig, '--purge')).lines).toEqual([`node ${name} was not running`]);
  });

  it.each([
    ['that is not valid', `contexts: [{ name: ${context} }\n`, [], /is not a kubeconfig/],
    ['that is locked', `contexts: [{ name: ${context} }]\n`, ['.lock'], /is locked/],
  ])('%s is a warning', async (_, text, others, warning) => {
    const kubeconfig = join(await tempDir('down'), 'config');
    await writeFile(kubeconfig, text);
    for (const suffix of others) await writeFile(kubeconfig + suffix, '');
    const { exitCode, lines } = await down(kubeconfig, '--purge');
    expect(exitCode).toBe(0);
    expect(lines[0]).toMatch(/^warning: the kubeconfig keeps the context of node down-test: /);
    expect(lines[0]).toMatch(warning);
    expect(lines.at(-1)).toBe(`node ${name} was not running`);
    expect(await readFile(kubeconfig, 'utf8')).toBe(text);
  });
});
