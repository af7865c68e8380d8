import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
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
  const child = execa(
    real.file,
    [...real.args, '-n', '-c', config, '-l', '/dev/null', '-j', join(dir, 'pid'), '-q', dir],
    {
      env: { ...real.env, ...environment(folder) },
      reject: false,
      buffer: true,
      all: true,
    },
  );
  onTestFinished(async () => {
    child.kill('SIGTERM');
    await child;
  });
  return Promise.race([
    allRecords(folder),
    child.then(({ all }) => {
      throw new Error(`supervisord ended: ${all}`);
    }),
  ]);
}

async function byUs(): Promise<Record<string, string>> {
  const folder = await records('k8s-single');
  const env = { ...process.env, ...environment(folder) };
  const { yaml } = await importSupervisord(config, env);
  const file = join(dir, 'imported.yaml');
  await writeFile(file, yaml.replace('kubernetes: false', `kubernetes: false\ndataDir: ${dir}`));
  const components = toComponents(await loadConfig(file, { env }), []);
  process.env['RECORDS'] = folder;
  const running = startGraph(components, {
    emit: () => undefined,
    logDir: join(dir, 'log'),
    timeoutMs: 20_000,
  });
  onTestFinished(async () => {
    await running.down();
    delete process.env['RECORDS'];
  });
  return allRecords(folder);
}

test('supervisord and k8s-single start the same command lines from the same file', async () => {
  const expected = await bySupervisord();
  expect(Object.keys(expected)).toEqual(programs);
  expect(await byUs()).toEqual(expected);
});
