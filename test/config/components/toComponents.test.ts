import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Command, Component, Service } from '../../../src/engine/component.ts';
import { toComponents } from '../../../src/config/components/toComponents.ts';
import { parseConfig } from '../../../src/config/yaml/parseConfig.ts';

const never = new AbortController().signal;
const passes = async (): Promise<void> => undefined;

const builtIns: readonly Component[] = [
  { kind: 'task', name: 'pki', needs: [], run: passes },
  {
    kind: 'service',
    name: 'etcd',
    needs: ['pki'],
    command: async () => ({ file: 'etcd', args: ['--data-dir=/d'], env: { A: 'own', B: 'own' } }),
    ready: passes,
    restart: { maxFailures: 9, delayMs: 7 },
  },
  { kind: 'service', name: 'apiserver', needs: ['etcd'], command: { file: 'kas', args: [] }, ready: passes },
];

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'k8s-single-config-'));
});
afterAll(async () => rm(dir, { recursive: true }));

function graph(yaml: string): Component[] {
  return toComponents(parseConfig(yaml, join(dir, 'c.yaml')), builtIns);
}

function service(components: readonly Component[], name: string): Service {
  const found = components.find((one) => one.name === name);
  if (found?.kind !== 'service') throw new Error(`${name} is no service`);
  return found;
}

async function command(one: Service): Promise<Command> {
  return typeof one.command === 'function' ? one.command() : one.command;
}

test('without components the built-in ones are unchanged', () => {
  expect(graph('')).toEqual(builtIns);
});

test('a built-in component changes only in the given keys', async () => {
  const components = graph(`
components:
  etcd: { args: [--debug], env: { B: new, C: new }, restart: { delay: 2s }, stop: { grace: 1s } }
`);
  const etcd = service(components, 'etcd');
  expect(await command(etcd)).toEqual({
    file: 'etcd',
    args: ['--data-dir=/d', '--debug'],
    env: { A: 'own', B: 'new', C: 'new' },
  });
  expect(etcd).toMatchObject({
    needs: ['pki'],
    ready: passes,
    restart: { maxFailures: 9, delayMs: 2000 },
    stop: { graceMs: 1000 },
  });
  expect(components.filter(({ name }) => name !== 'etcd')).toEqual([builtIns[0], builtIns[2]]);
});

test('a command replaces the built-in one including its arguments', async () => {
  const etcd = service(graph('components: { etcd: { command: [my-etcd, -x] } }'), 'etcd');
  expect(await command(etcd)).toMatchObject({ file: 'my-etcd', args: ['-x'], env: { A: 'own' } });
});

test('a component of the user', async () => {
  await writeFile(join(dir, 'a.env'), 'FROM_FILE=1\nBOTH="file"\n');
  const web = service(
    graph(`
components:
  web:
    command: [server, --port, 80]
    needs: [apiserver, { on: etcd, whenLost: restart }]
    env: { BOTH: config }
    envFile: a.env
    workingDir: sub
    user: 65534:0
    timeout: 5s
    ports: [80]
    ready: { tcp: 80, timeout: 1s }
    live: { exec: [check], period: 5s, failureThreshold: 2 }
    restart: { when: never, onFailure: keepOthers, maxDelay: 1s, resetAfter: 2s, maxFailures: 1, window: 3s }
    stop: { signal: QUIT }
`),
    'web',
  );
  expect(await command(web)).toEqual({
    file: 'server',
    args: ['--port', '80'],
    env: { FROM_FILE: '1', BOTH: 'config' },
    cwd: join(dir, 'sub'),
    uid: 65_534,
    gid: 0,
  });
  expect(web).toMatchObject({
    needs: [
      { on: 'apiserver', whenLost: 'keep' },
      { on: 'etcd', whenLost: 'restart' },
    ],
    timeoutMs: 5000,
    ports: [80],
    readyTiming: { attemptTimeoutMs: 1000 },
    liveTiming: { periodMs: 5000, failureThreshold: 2 },
    restart: {
      when: 'never',
      onFailure: 'keepOthers',
      maxDelayMs: 1000,
      resetAfterMs: 2000,
      maxFailures: 1,
      windowMs: 3000,
    },
    stop: { signal: 'SIGQUIT' },
  });
});

test('a shell command is one text for the shell', async () => {
  const one = service(graph("components: { one: { shell: true, command: 'echo $((1 + 1)) | cat' } }"), 'one');
  expect(await command(one)).toMatchObject({ file: '/bin/sh', args: ['-c', 'echo $((1 + 1)) | cat'] });
});

test('a component without a ready probe is ready once it runs', async () => {
  const one = service(graph('components: { one: { command: [one] } }'), 'one');
  await expect(one.ready(never)).resolves.toBeUndefined();
});

test('an envFile that is a FIFO is refused without blocking', async () => {
  const pipe = join(dir, 'pipe.env');
  await execa('mkfifo', [pipe]);
  const one = service(graph(`components: { one: { command: [one], envFile: ${pipe} } }`), 'one');
  await expect(command(one)).rejects.toThrow(`cannot read the envFile: ${pipe} is not a regular file`);
});

test('a missing envFile fails the start of its component', async () => {
  const one = service(graph('components: { one: { command: [one], envFile: gone.env } }'), 'one');
  await expect(command(one)).rejects.toThrow(/^cannot read the envFile: ENOENT.*gone\.env/);
});

test('a disabled component is removed', () => {
  const components = graph(
    'components: { apiserver: { enabled: false }, own: { command: [own], enabled: false } }',
  );
  expect(components.map(({ name }) => name)).toEqual(['pki', 'etcd']);
});

test('kubernetes: false leaves only the components of the user', () => {
  expect(graph('kubernetes: false\ncomponents: { own: { command: [own] } }').map(({ name }) => name)).toEqual(
    ['own'],
  );
});

test.each([
  [
    '{ etdc: { args: [-x] } }',
    '1:15: components.etdc: it has no command, and no built-in component has this name; did you mean "etcd"?',
  ],
  [
    '{ pki: { command: [x] } }',
    '1:22: components.pki: "command" cannot be changed: this is a built-in task, not a service',
  ],
  ['{ etcd: { task: true } }', '1:29: components.etcd: "task" cannot be changed: this is a built-in service'],
  [
    '{ a: { command: [a], needs: [etdc] } }',
    '1:42: components.a.needs: there is no component "etdc"; did you mean "etcd"?',
  ],
  [
    '{ etcd: { enabled: false } }',
    '1:32: apiserver needs etcd, which is disabled: disable it too, or change its needs',
  ],
  [
    '{ a: { command: [a], needs: [b] }, b: { command: [b], enabled: false } }',
    '1:42: a needs b, which is disabled: disable it too, or change its needs',
  ],
  [
    '{ a: { command: [a], needs: [etcd, { on: b, whenLost: stop }] }, b: { command: [b], needs: [c] }, c: { command: [c], needs: [a] } }',
    '1:48: circular dependency: a -> b -> c -> a: remove one of these needs',
  ],
  [
    '{ pki: { needs: [apiserver] } }',
    '1:30: circular dependency: pki -> apiserver -> etcd -> pki: remove one of these needs',
  ],
])('%s is refused with its position', (components, message) => {
  expect(() => graph(`components: ${components}`)).toThrow(
    expect.objectContaining({ code: 'usage', message: `${join(dir, 'c.yaml')}:${message}` }),
  );
});

test("a probe's command runs as its component does: envFile, env, directory and user of the last start", async () => {
  const signal = new AbortController().signal;
  await writeFile(join(dir, 'db.env'), 'DB_USER=app\nBOTH=file\n');
  const check = 'test "$DB_USER $BOTH $PWD $(id -u):$(id -g)" = "app config /tmp 65534:65534"';
  const exec = JSON.stringify(['sh', '-c', check]);
  const keys = `envFile: db.env, env: { BOTH: config }, workingDir: /tmp, user: '65534:65534'`;
  const db = service(
    graph(
      `components: { db: { command: [db], ${keys}, ready: { exec: ${exec} }, live: { exec: ${exec} } } }`,
    ),
    'db',
  );
  await db.ready(signal);
  await command(db);
  await rm(join(dir, 'db.env'));
  await db.live!(signal);
  await expect(command(db)).rejects.toThrow('cannot read the envFile');
  const task = graph(`components: { wait: { task: true, ${keys}, ready: { exec: ${exec} } } }`).at(-1);
  await writeFile(join(dir, 'db.env'), 'DB_USER=app\n');
  if (task?.kind !== 'task' || typeof task.run !== 'function') throw new Error('not a task with a probe');
  await task.run(signal, () => undefined);
});

test('a probe of a built-in component has its environment', async () => {
  const etcd = service(
    graph(`components: { etcd: { live: { exec: [sh, -c, 'test "$A" = own'] } } }`),
    'etcd',
  );
  await etcd.live!(new AbortController().signal);
});

test.each([
  [
    'of one and of another component',
    'a: { command: [a], ports: [8080] }\n  b: { command: [b], ports: [80, 8080] }',
    'b and a have the same port 8080',
  ],
  ['of a built-in component', 'a: { command: [a], ports: [4001] }', 'a and etcd have the same port 4001'],
])('a port %s is refused with its line', (_what, components, message) => {
  const etcd: Component = {
    kind: 'service',
    name: 'etcd',
    needs: [],
    command: { file: 'etcd', args: [] },
    ready: passes,
    ports: [4001],
  };
  const text = `components:\n  ${components}\n`;
  const lines = text.split('\n');
  const line = lines.findLastIndex((each) => each.includes('ports'));
  const column = lines[line]!.lastIndexOf(message.split(' ').at(-1)!) + 1;
  expect(() => toComponents(parseConfig(text, 'c.yaml'), [etcd])).toThrow(
    expect.objectContaining({ code: 'usage', message: `c.yaml:${line + 1}:${column}: ${message}` }),
  );
});

test('two components may have the same port if one of them is disabled', () => {
  const text =
    'components:\n  a: { command: [a], ports: [80] }\n  b: { command: [b], ports: [80], enabled: false }\n';
  expect(toComponents(parseConfig(text, 'c.yaml'), [])).toHaveLength(1);
});
