import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseConfig } from '../../src/config/yaml/parseConfig.ts';
import { cli } from '../support/cli.ts';

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'k8s-single-config-'));
});
afterAll(async () => rm(dir, { recursive: true }));

async function file(name: string, text: string): Promise<string> {
  await writeFile(join(dir, name), text);
  return join(dir, name);
}

async function run(...args: string[]): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  const { exitCode, stdout, stderr } = await cli(args, { env: { DB_PASSWORD: 'hunter2' } });
  return { exitCode: exitCode ?? -1, stdout: String(stdout), stderr: String(stderr) };
}

const web = `
kubernetes: false
components:
  web: { command: [server, '--db=x://me:\${env:DB_PASSWORD}@db/', '\${paths.logs}'], needs: [db] }
  db: { command: [db], env: { PASSWORD: '\${env:DB_PASSWORD}' } }
`;

describe('config show', () => {
  test('prints a whole config, with defaults, values instead of references, and no secret', async () => {
    const { exitCode, stdout, stderr } = await run(
      'config',
      'show',
      '--config',
      await file('web.yaml', web),
      '--name',
      'n',
    );
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).not.toContain('hunter2');
    const { node, components } = parseConfig(stdout, 'shown.yaml');
    expect(node).toMatchObject({ name: 'n', kubernetes: false, timeouts: { boot: 300_000 } });
    expect(components['web']?.command).toEqual([
      'server',
      '--db=x://me:***@db/',
      '/var/lib/k8s-single/n/log',
    ]);
  });

  test('prints the same as JSON', async () => {
    const path = await file('web.yaml', web);
    const { stdout } = await run('config', 'show', '--config', path, '--output', 'json');
    expect(JSON.parse(stdout)).toMatchObject({ components: { db: { env: { PASSWORD: '***' } } } });
  });

  test('notes that the address of a node is unknown while it is not running', async () => {
    const path = await file('ip.yaml', "name: never-up\ncomponents: { a: { command: [a, '${node.ip}'] } }");
    const { exitCode, stdout, stderr } = await run('config', 'show', '--config', path);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('127.0.0.1');
    expect(stderr).toBe('127.0.0.1 stands for ${node.ip}, which is known only while the node runs');
  });
});

describe('config check', () => {
  test('prints the size of the graph', async () => {
    const path = await file('web.yaml', web);
    expect(await run('config', 'check', '--config', path)).toEqual({
      exitCode: 0,
      stdout: '',
      stderr: `${path} is valid: a graph of 2 components`,
    });
    expect((await run('config', 'check')).stderr).toBe(
      'the built-in config is valid: a graph of 15 components',
    );
  });

  test.each([
    ['comand: [x]', '1:1: unknown key "comand"'],
    [
      'components: { etcd: { comand: [x] } }',
      '1:23: components.etcd: unknown key "comand"; did you mean "command"?',
    ],
    ['components: { etdc: { args: [-x] } }', '1:15: components.etdc: it has no command, and no built-in'],
    [
      'components: { a: { command: [a], needs: [apisrver] } }',
      '1:42: components.a.needs: there is no component "apisrver"; did you mean "apiserver"?',
    ],
    ['components: { etcd: { needs: [node] } }', 'circular dependency: etcd -> node -> apiserver -> etcd'],
  ])('%s', async (text, message) => {
    const { exitCode, stdout, stderr } = await run(
      'config',
      'check',
      '--config',
      await file('bad.yaml', text),
    );
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toContain(message);
  });

  test('accepts a thousand components', async () => {
    const components = Array.from(
      { length: 1000 },
      (_, i) =>
        `  c${i}: { command: [server, --port, ${10_000 + i}], needs: [${i === 0 ? '' : `c${i - 1}`}], ready: { tcp: ${10_000 + i} } }`,
    );
    const path = await file('large.yaml', `kubernetes: false\ncomponents:\n${components.join('\n')}\n`);
    expect((await run('config', 'check', '--config', path)).stderr).toBe(
      `${path} is valid: a graph of 1000 components`,
    );
  });
});

test('import supervisord prints a valid config, and on stderr what it leaves out', async () => {
  const conf = await file(
    'supervisord.conf',
    '[supervisord]\n[program:x]\ncommand=x "a b"\numask=022\nautorestart=true\n',
  );
  const { exitCode, stdout, stderr } = await run('import', 'supervisord', conf);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: 'not imported: x: umask=022' });
  expect((await run('config', 'check', '--config', await file('imported.yaml', stdout))).exitCode).toBe(0);
});

test('import refuses a file that does not exist', async () => {
  const { exitCode, stderr } = await run('import', 'supervisord', '/nowhere/s.conf');
  expect(exitCode).toBe(2);
  expect(stderr).toContain('cannot read /nowhere/s.conf');
});

describe('graph', () => {
  test('is that of the config, also for a node that was never up', async () => {
    const path = await file('web.yaml', web);
    const { stdout } = await run('graph', '--config', path, '--name', 'never-up');
    expect(stdout).toBe('● db\n└─● web\n\n● longest chain: db → web');
  });

  test('is the built-in one without a config', async () => {
    const { stdout } = await run('graph', '--name', 'never-up', '--output', 'mermaid');
    expect(stdout).toContain('["controller-manager"]');
    expect((await run('graph', '--name', 'never-up', '--output', 'dot')).stdout).toContain(
      '"etcd" -> "apiserver"',
    );
  });
});
