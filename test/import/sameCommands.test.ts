import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { Unhealthy } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import { toComponents } from '../../src/config/components/toComponents.ts';
import { loadConfig } from '../../src/config/loadConfig.ts';
import { importSupervisord } from '../../src/import/supervisord.ts';
import { startGraph } from '../../src/engine/startGraph.ts';
import { corpusEnv } from './corpusEnv.ts';
import { supervisor } from './supervisor.ts';
import type { Supervisor } from './supervisor.ts';

const fixtures = join(import.meta.dirname, '../fixtures/import');
const config = join(fixtures, 'programs.conf');
/** All programs except `late`, which has autostart=false. */
const programs = ['lines', 'more', 'number-07', 'number-08', 'own', 'quotes'];

let real: Supervisor;
let dir = '';
beforeAll(async () => {
  real = await supervisor();
  dir = await mkdtemp(join(tmpdir(), 'k8s-single-import-'));
  await execa('chmod', ['755', dir]);
}, 300_000);
afterAll(async () => rm(dir, { recursive: true }));

/** A directory, writable for all users, where the programs of one run record how they were started. */
async function records(name: string): Promise<string> {
  const folder = join(dir, name);
  await mkdir(folder);
  await execa('chmod', ['777', folder]);
  return folder;
}

function environment(folder: string): Record<string, string> {
  return { FIXTURE: join(fixtures, 'record.sh'), USERNAME: 'nobody', RECORDS: folder };
}

async function allRecords(folder: string): Promise<Record<string, string>> {
  const allRecorded = async (): Promise<void> => {
    const recorded = await readdir(folder);
    const missing = programs.filter((program) => !recorded.includes(program));
    if (missing.length > 0) throw new Unhealthy(`no record of ${missing.join(', ')} yet`);
  };
  await until(allRecorded, { timeoutMs: 20_000 }, new AbortController().signal);
  const names = (await readdir(folder)).sort();
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name), 'utf8')] as const)),
  );
}

async function bySupervisord(): Promise<Record<string, string>> {
  const folder = await records('supervisord');
  const ended = runSupervisord(config, environment(folder));
  return Promise.race([allRecords(folder), ended]);
}

/** Runs supervisord until the end of the test. Rejects when it ends before. */
async function runSupervisord(file: string, env: Readonly<Record<string, string>>): Promise<never> {
  const state = await mkdtemp(join(dir, 'state-'));
  const own = ['-n', '-c', file, '-l', '/dev/null', '-j', join(state, 'pid'), '-q', state];
  const child = execa(real.file, [...real.args, ...own], {
    env: { ...real.env, ...env },
    reject: false,
    buffer: true,
    all: true,
  });
  onTestFinished(async () => {
    child.kill('SIGTERM');
    await child;
  });
  const { all } = await child;
  throw new Error(`supervisord ended: ${all}`);
}

async function byUs(): Promise<Record<string, string>> {
  const folder = await records('k8s-single');
  setForTest('RECORDS', folder);
  await runImported(config, environment(folder));
  return allRecords(folder);
}

/** Runs the import of the file until the end of the test. */
async function runImported(file: string, variables: Readonly<Record<string, string>>): Promise<void> {
  const env = { ...process.env, ...variables };
  const state = await mkdtemp(join(dir, 'state-'));
  const { yaml } = await importSupervisord(file, env);
  const imported = join(state, 'imported.yaml');
  await writeFile(imported, yaml.replace('kubernetes: false', `kubernetes: false\ndataDir: ${state}`));
  const components = toComponents(await loadConfig(imported, { env }), []);
  const running = startGraph(components, {
    emit: () => undefined,
    logDir: join(state, 'log'),
    timeoutMs: 20_000,
  });
  onTestFinished(async () => running.down());
  running.done.catch(() => undefined);
}

function setForTest(name: string, value: string): void {
  const before = process.env[name];
  process.env[name] = value;
  onTestFinished(() => {
    if (before === undefined) delete process.env[name];
    else process.env[name] = before;
  });
}

test('supervisord and k8s-single start the same command lines from the same file', async () => {
  const expected = await bySupervisord();
  expect(Object.keys(expected)).toEqual(programs);
  expect(await byUs()).toEqual(expected);
});

/** The files of the corpus that are run, with the commands they start. */
const runFiles = ['restarts.conf', 'endings.conf', 'pollers.conf', 'groups.conf', 'include/supervisord.conf'];
const commandLines = 22;
const stubs = ['serve', 'exits', 'poll', 'tagged'];

/** The time in which starts are counted, from the first: `broken` of restarts.conf starts three times within 5 s, or 10 on a busy machine. */
const countedMs = 12_000;

/** The times of the starts in ms of each command line, from a file with a line of time and command line for each start. */
async function startsIn(file: string): Promise<[string, number[]][]> {
  const starts = new Map<string, number[]>();
  for (const start of (await readFile(file, 'utf8')).trim().split('\n')) {
    const [time = '', ...words] = start.split(' ');
    const line = words.join(' ');
    starts.set(line, [...(starts.get(line) ?? []), Number(time)]);
  }
  return [...starts].sort(([a], [b]) => a.localeCompare(b));
}

/** The number of starts of each command line within `countedMs`, once that has passed since the first start of each. */
async function countStarts(file: string): Promise<Record<string, number>> {
  const check = async (): Promise<void> => {
    const starts = await startsIn(file).catch(() => []);
    const counted = starts.filter(([, [first = 0]]) => Date.now() - first > countedMs);
    if (counted.length < commandLines) throw new Unhealthy(`${counted.length} command lines in ${file}`);
  };
  await until(check, { timeoutMs: 60_000 }, new AbortController().signal);
  const withinTime = ([line, times]: [string, number[]]): [string, number] => [
    line,
    times.filter((time) => time - (times[0] ?? 0) < countedMs).length,
  ];
  return Object.fromEntries((await startsIn(file)).map((starts) => withinTime(starts)));
}

/**
 * The tolerated difference from `count` starts. supervisord acts once a second, and sooner when any of its programs ends or
 * writes; the import restarts a program that ends at once after exactly 1 s. A busy machine takes longer for each start.
 */
function tolerance(line: string, count: number): number {
  if (line.includes(' --short-worker ')) return Math.max(10, count);
  // On a busy machine supervisord may look at one that has ended only after its startsecs, and takes it for one that had started.
  if (line.includes(' --broken ')) return 2;
  return /--(worker|unexpected) /.test(line) ? Math.max(2, count / 2) : 0;
}

test('supervisord and k8s-single start the same programs of the corpus, equally often', async () => {
  const bin = join(dir, 'bin');
  await mkdir(bin);
  for (const stub of stubs) await symlink(join(fixtures, 'stub.sh'), join(bin, stub));
  const env = { ...corpusEnv, PATH: `${bin}:${process.env['PATH']}` };
  const [theirs, ours] = [join(dir, 'starts-supervisord'), join(dir, 'starts-k8s-single')];
  setForTest('PATH', env.PATH);
  setForTest('STARTS', ours);
  const files = runFiles.map((file) => join(fixtures, 'corpus', file));
  const supervisords = files.map(async (file) => runSupervisord(file, { ...env, STARTS: theirs }));
  for (const file of files) await runImported(file, env);
  const counts = Promise.all([countStarts(theirs), countStarts(ours)]);
  const [expected, actual] = await Promise.race([counts, ...supervisords]);
  expect(Object.keys(actual)).toEqual(Object.keys(expected));
  const differing = Object.entries(expected).filter(
    ([line, count]) => Math.abs(count - (actual[line] ?? 0)) > tolerance(line, count),
  );
  expect(differing.map(([line, count]) => `${line}: ${count}, not ${actual[line]}`)).toEqual([]);
  const countOf = (option: string): number | undefined =>
    Object.entries(actual).find(([line]) => line.includes(` --${option} `))?.[1];
  expect([countOf('steady'), countOf('once'), countOf('broken')]).toEqual([1, 1, 3]);
  expect([countOf('at-once'), countOf('expected'), countOf('expected-at-once')]).toEqual([1, 1, 1]);
  // Again and again, and a second apart.
  expect(countOf('short-worker')).toBeGreaterThanOrEqual(4);
  expect(countOf('short-worker')).toBeLessThanOrEqual(countedMs / 1000 + 1);
}, 120_000);
