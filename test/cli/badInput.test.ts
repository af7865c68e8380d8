import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { cli, main, tempDir } from '../support/cli.ts';
import { leftoversSince, snapshotHost } from '../support/leftovers.ts';

const name = 'bad-input';

/** Runs `up` with a config; asserts that it leaves nothing and makes no data folder. */
async function upWith(
  config: string,
  { args = [], env = {} }: { args?: readonly string[]; env?: NodeJS.ProcessEnv } = {},
): Promise<{ code: number | undefined; stderr: string; file: string }> {
  const dir = await tempDir('bad-input');
  const file = join(dir, 'node.yaml');
  const dataDir = join(dir, 'data');
  await writeFile(file, config);
  const before = await snapshotHost();
  const node = ['--config', file, '--name', name, '--data-dir', dataDir];
  const result = await cli(['up', ...node, '--output', 'plain', ...args], { env });
  expect(await leftoversSince(before, name)).toEqual([]);
  expect(existsSync(join(dataDir, 'etcd'))).toBe(false);
  return { code: result.exitCode, stderr: String(result.stderr), file };
}

const graph = (components: string): string => `kubernetes: false\ncomponents:\n${components}`;

describe('a config with', () => {
  it('an unknown key: shows its position and suggests a known one', async () => {
    const { code, stderr, file } = await upWith('nodeNam: x\n');
    expect(stderr).toContain(`${file}:1:1: unknown key "nodeNam"; did you mean "nodeName"?`);
    expect(code).toBe(2);
  });

  it('a value of the wrong type', async () => {
    const { code, stderr, file } = await upWith('network:\n  apiserverPort: many\n');
    expect(stderr).toContain(`${file}:2:18:`);
    expect(code).toBe(2);
  });

  it('a cycle: shows it as a path, with the position of one edge', async () => {
    const { code, stderr, file } = await upWith(
      graph('  a: { command: [sleep, "9"], needs: [b] }\n  b: { command: [sleep, "9"], needs: [a] }\n'),
    );
    expect(stderr).toContain(`${file}:3:39: circular dependency: a -> b -> a`);
    expect(code).toBe(2);
  });

  it('a need that is not a component', async () => {
    const { code, stderr, file } = await upWith(
      graph('  web: { command: [sleep, "9"], needs: [databse] }\n'),
    );
    expect(stderr).toContain(`${file}:3:`);
    expect(stderr).toContain('there is no component "databse"');
    expect(code).toBe(2);
  });

  it('a program that does not exist: fails at once, without a crash loop', async () => {
    const { code, stderr } = await upWith(graph('  web: { command: [/no/such/program] }\n'));
    expect(stderr).toContain('cannot start /no/such/program: there is no such program');
    expect(code).toBe(3);
  });

  it('a port that is taken: names the process', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const { code, stderr } = await upWith(graph(`  web: { command: [sleep, "9"], ports: [${port}] }\n`));
    server.close();
    expect(stderr).toContain(`web cannot have port ${port}: it is held by pid ${process.pid}`);
    expect(code).toBe(3);
  });

  it('no file', async () => {
    const result = await cli(['up', '--config', '/no/such/file.yaml', '--name', name]);
    expect(String(result.stderr)).toContain('cannot read the config /no/such/file.yaml');
    expect(result.exitCode).toBe(2);
  });
});

it('--detach without namespaces is refused', async () => {
  const { code, stderr } = await upWith(graph('  web: { command: [sleep, "9"] }\n'), { args: ['--detach'] });
  expect(stderr).toContain('--detach is for a node in a sandbox');
  expect(code).toBe(2);
});

describe('binaries that are', () => {
  it('missing, with --no-install: names each', async () => {
    const cache = await tempDir('empty-cache');
    const env = { XDG_CACHE_HOME: cache };
    const { code, stderr } = await upWith('', { args: ['--no-install'], env });
    expect(stderr).toContain('kube-apiserver');
    expect(stderr).toContain('k8s-single install');
    expect(code).toBe(6);
  });

  it('for another machine', async () => {
    const dir = await tempDir('foreign');
    const elf = await readFile(process.execPath);
    const header = Buffer.from(elf.subarray(0, 4096));
    // e_machine 2 (elf(5)): SPARC, which no test runs on.
    header.writeUInt16LE(2, 18);
    await writeFile(join(dir, 'etcd'), header);
    await chmod(join(dir, 'etcd'), 0o755);
    const { code, stderr } = await upWith('', { args: ['--bin-dir', dir] });
    expect(stderr).toContain(`${join(dir, 'etcd')} is for`);
    expect(code).toBe(6);
  });

  it('in a folder that does not exist', async () => {
    const { code, stderr } = await upWith('', { args: ['--bin-dir', '/no/such/folder'] });
    expect(stderr).toContain('--bin-dir /no/such/folder does not exist');
    expect(code).toBe(2);
  });
});

describe('a machine without', () => {
  it('root', async () => {
    const result = await execa(
      'setpriv',
      ['--reuid=65534', '--regid=65534', '--clear-groups', process.execPath, main, 'up', '--name', name],
      { reject: false, stdin: 'ignore' },
    );
    expect(result.stderr).toContain('this needs root');
    expect(result.stderr).toContain('sudo');
    expect(result.exitCode).toBe(3);
  });

  it('flock and unshare', async () => {
    const { code, stderr } = await upWith('', { env: { PATH: '/no/such/folder' } });
    expect(stderr).toContain('flock is not installed');
    expect(stderr).toContain('apt-get install util-linux');
    expect(code).toBe(3);
  });
});

describe('a command line with', () => {
  const cases: readonly (readonly [string, readonly string[], RegExp])[] = [
    ['an unknown option', ['up', '--detatch'], /unknown option '--detatch'[\s\S]*--detach/],
    ['an unknown command', ['statsu'], /unknown command 'statsu'[\s\S]*status/],
    ['a duration without a unit', ['up', '--timeout', '300'], /"300" has no unit: write 300s or 300ms/],
    ['an unknown output', ['up', '--output', 'xml'], /argument 'xml' is invalid/],
    ['an unknown probe', ['probe', 'htpp', 'x'], /no probe is called "htpp"/],
    ['an invalid probe target', ['probe', 'tcp', 'localhost'], /not a HOST:PORT: localhost/],
  ];
  for (const [what, args, message] of cases) {
    it(what, async () => {
      const result = await cli(args);
      expect(String(result.stderr)).toMatch(message);
      expect(result.exitCode).toBe(2);
    });
  }
});

describe('an invalid node name', () => {
  it('is refused before `down` removes the folder that its path leads to', async () => {
    const dir = await tempDir('bad-name');
    await writeFile(join(dir, 'precious'), '');
    const { exitCode, stderr } = await cli(['down', '--name', `../..${dir}`]);
    expect(existsSync(join(dir, 'precious'))).toBe(true);
    expect(String(stderr)).toContain('at most 40 lower-case letters, digits and dashes');
    expect(exitCode).toBe(2);
  });

  it('is the empty string of an unset variable, too', async () => {
    expect((await cli(['status'], { env: { K8S_SINGLE_NAME: '' } })).exitCode).toBe(2);
  });
});

describe('a node that is not running', () => {
  it('has no status', async () => {
    const result = await cli(['status', '--name', name]);
    expect(String(result.stderr)).toContain(`node ${name} is not running`);
    expect(result.exitCode).toBe(4);
  });

  it('is down already', async () => {
    const result = await cli(['down', '--name', name]);
    expect(String(result.stderr)).toContain(`node ${name} was not running`);
    expect(result.exitCode).toBe(0);
  });
});
