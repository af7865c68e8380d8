import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { Unhealthy } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import { tempDir } from '../support/cli.ts';
import { descendants, processTable, type Process } from '../support/processes.ts';

const root = join(import.meta.dirname, '../..');
const program = join(root, 'test/fixtures/install/installTool.mjs');

/** Installs that can be killed run in their own processes, with the compiled code. */
let build: string;
let cacheDir: string;
let gate: string;

beforeAll(async () => {
  build = await mkdtemp('/var/tmp/k8s-single-build-');
  await execa('node_modules/.bin/tsc', ['-p', 'tsconfig.build.json', '--outDir', build], { cwd: root });
  await symlink(join(root, 'node_modules'), join(build, 'node_modules'));
  await writeFile(join(build, 'package.json'), '{"type":"module"}');
}, 120_000);

afterAll(async () => rm(build, { recursive: true }));

beforeEach(async () => {
  const dir = await tempDir('install');
  cacheDir = join(dir, 'cache');
  gate = join(dir, 'gate');
  await mkdir(cacheDir);
  await execa('mkfifo', [gate]);
});

/** An install, with the lines it prints. */
function start() {
  const child = execa(process.execPath, [program, build, cacheDir, gate], { reject: false, buffer: false });
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on('line', (line) => lines.push(line));
  const saw = async (pattern: RegExp) => {
    while (!lines.some((line) => pattern.test(line))) await once(reader, 'line');
  };
  return { child, lines, saw, pid: child.pid ?? 0 };
}

const open = (version: string) => writeFile(gate, `${version}\n`);

const builds = async () => (await readFile(join(cacheDir, 'built'), 'utf8')).trim().split('\n').length;

const version = async () => (await execa(join(cacheDir, 'set/tool'))).stdout;

const untilGone = (processes: readonly Process[]) =>
  until(
    async () => {
      const table = await processTable();
      const left = processes.find(({ pid, id }) => table.get(pid)?.id === id);
      if (left) throw new Unhealthy(`${left.command} is running`);
    },
    { timeoutMs: 10_000 },
    new AbortController().signal,
  );

test('what is built is checked and moved into place as a whole, and nothing else is left', async () => {
  const install = start();
  await install.saw(/build: half of/);
  expect(await readdir(cacheDir)).not.toContain('set');
  await open('1.2.3');
  expect((await install.child).exitCode).toBe(0);
  expect(await version()).toBe('tool 1.2.3');
  expect((await readdir(cacheDir)).sort()).toEqual(['built', 'install.log', 'lock', 'set']);
});

test('of two concurrent installs the second waits, names the first, and uses what it built', async () => {
  const first = start();
  await first.saw(/build: half of/);
  const second = start();
  await second.saw(
    new RegExp(`Waiting for another install: another k8s-single \\(pid ${first.pid}\\) is installing`),
  );
  await open('1.2.3');
  expect((await first.child).exitCode).toBe(0);
  expect((await second.child).exitCode).toBe(0);
  expect(await builds()).toBe(1);
});

test('an install that is killed leaves no process, and the next one builds again', async () => {
  const killed = start();
  await killed.saw(/build: half of/);
  const children = await descendants(killed.pid);
  expect(children.map(({ command }) => command).join()).toContain('buildTool.sh');
  process.kill(killed.pid, 'SIGKILL');
  await untilGone(children);
  expect(await readdir(cacheDir)).not.toContain('set');

  const next = start();
  await next.saw(/build: half of/);
  await open('1.2.3');
  expect((await next.child).exitCode).toBe(0);
  expect(await version()).toBe('tool 1.2.3');
});

test('an install that is aborted kills what it started and rejects with the reason', async () => {
  const install = start();
  await install.saw(/build: half of/);
  const children = await descendants(install.pid);
  process.kill(install.pid, 'SIGTERM');
  expect((await install.child).exitCode).toBe(6);
  expect(install.lines.at(-1)).toBe('failed: terminated');
  await untilGone(children);
});

test('a build whose binary prints the wrong version is refused and not moved into place', async () => {
  const install = start();
  await install.saw(/build: half of/);
  await open('1.2.4');
  expect((await install.child).exitCode).toBe(6);
  expect(install.lines.at(-1)).toBe('failed: tool as built is version 1.2.4, not 1.2.3');
  expect(await readdir(cacheDir)).not.toContain('set');
});
