import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeAll, expect, test } from 'vitest';
import { toComponents } from '../../src/config/components/toComponents.ts';
import type { Config } from '../../src/config/config.ts';
import type { ComponentSpec } from '../../src/config/schema/componentSpec.ts';
import { parseConfig } from '../../src/config/yaml/parseConfig.ts';
import { importSupervisord } from '../../src/import/supervisord.ts';
import { corpusEnv } from './corpusEnv.ts';
import { supervisor } from './supervisor.ts';

const fixtures = join(import.meta.dirname, '../fixtures/import');
const corpus = join(fixtures, 'corpus');
const names = [
  ...(await readdir(corpus)).filter((name) => name.endsWith('.conf')).sort(),
  'include/supervisord.conf',
];
/** 24 days, the limit of a duration. */
const longestSeconds = 2_147_483;

/** A process as test/fixtures/import/processes.py prints it. */
interface SupervisordProcess {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly enabled: boolean;
  readonly autorestart: 'true' | 'unexpected' | 'false';
  readonly directory: string | null;
  readonly user: string | null;
  readonly startsecs: number;
  readonly startretries: number;
  readonly stopsignal: string;
  readonly stopwaitsecs: number;
}

/** supervisord refuses it: it has no `[supervisord]`. */
const fragment = 'no-section.conf';

/** The processes as supervisord reads them, by file. */
let expected: Readonly<Record<string, readonly SupervisordProcess[]>> = {};
beforeAll(async () => {
  const { file, env } = await supervisor();
  const files = names.filter((name) => name !== fragment).map((name) => join(corpus, name));
  const { stdout } = await execa(file, [join(fixtures, 'processes.py'), ...files], {
    env: { ...env, ...corpusEnv, PYTHONDONTWRITEBYTECODE: '1' },
  });
  expected = JSON.parse(stdout) as typeof expected;
}, 300_000);

async function imported(name: string): Promise<Config> {
  const env = { ...process.env, ...corpusEnv };
  const { yaml } = await importSupervisord(join(corpus, name), env);
  return parseConfig(yaml, join(corpus, 'imported.yaml'), { env });
}

test.each(names)('the import of %s is a valid config', async (name) => {
  expect(toComponents(await imported(name), [])).not.toHaveLength(0);
});

test.each(names.filter((name) => name !== fragment))(
  'the import of %s has the processes that supervisord has',
  async (name) => {
    const { components } = await imported(name);
    const own = Object.values(components).filter((spec) => !isNone(spec));
    const wanted = expected[join(corpus, name)] ?? [];
    expect(wanted).not.toHaveLength(0);
    expect(own.map((spec) => fromComponent(spec)).sort()).toEqual(
      wanted.map((one) => fromProcess(one)).sort(),
    );
  },
);

/** The programs with numprocs=0: supervisord has no process for them, the import has a disabled component. */
function isNone({ command }: ComponentSpec): boolean {
  return command?.includes('--off') === true || command?.includes('--spare') === true;
}

function fromComponent(spec: ComponentSpec): string {
  const { when, resetAfter = 0, maxFailures } = spec.restart ?? {};
  return comparable({
    command: spec.command,
    env: spec.env ?? {},
    enabled: spec.enabled,
    directory: spec.workingDir ?? null,
    user: spec.user ?? null,
    when: when ?? 'always',
    limits: when === 'never' ? null : [resetAfter / 1000, maxFailures],
    stop: [spec.stop?.signal ?? 'SIGTERM', (spec.stop?.grace ?? 10_000) / 1000],
  });
}

function fromProcess(process: SupervisordProcess): string {
  const { startsecs, startretries } = process;
  // With startsecs=0 no run is a failure.
  const limits =
    startsecs <= 0 ? [1, 1000] : [Math.min(startsecs, longestSeconds), Math.min(startretries, 1_000_000)];
  return comparable({
    command: process.command,
    env: process.env,
    enabled: process.enabled,
    directory: process.directory,
    user: process.user === 'root' ? null : process.user,
    when: { true: 'always', unexpected: 'onFailure', false: 'never' }[process.autorestart],
    limits: process.autorestart === 'false' ? null : limits,
    stop: [process.stopsignal, Math.min(process.stopwaitsecs, longestSeconds)],
  });
}

/** A text that does not depend on the order of variables. */
function comparable({ env, ...others }: Readonly<Record<string, unknown>> & { env: object }): string {
  const variables = Object.entries(env).sort(([a], [b]) => a.localeCompare(b));
  return JSON.stringify({ ...others, env: variables });
}
