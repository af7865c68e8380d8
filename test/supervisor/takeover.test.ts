import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, onTestFinished, test } from 'vitest';
import { nodeCgroup } from '../../src/host/cgroup/nodeCgroup.ts';
import { hierarchies } from '../../src/host/cgroup/hierarchies.ts';
import { forceCleanUp } from '../../src/instance/cleanUp.ts';
import { nodePaths } from '../../src/lib/paths.ts';
import { cli, main, tempDir } from '../support/cli.ts';

/** A component that stops half a second after SIGTERM, and then records that. */
const recording = (name: string, needs = '[]'): string =>
  `  ${name}:\n` +
  `    command: [sh, -c, 'trap "sleep 0.5; rm ${name}; echo ${name} >> stopped; exit" TERM; touch ${name}; sleep 1000 & wait']\n` +
  `    workingDir: '\${config.dir}'\n    ready: { file: '\${config.dir}/${name}' }\n    needs: ${needs}\n`;

interface Status {
  readonly components: { readonly name: string; readonly pid?: number; readonly restarts: number }[];
}

/**
 * A graph without Kubernetes in a PID namespace of its own: its PID 1 reaps what outlives a supervisor, and no process of the machine gets
 * a pid there.
 */
async function graphInNamespace(components: string) {
  const dir = await tempDir('takeover');
  const name = `takeover-${randomBytes(4).toString('hex')}`;
  const config = join(dir, 'graph.yaml');
  const configure = async (text: string): Promise<void> =>
    writeFile(
      config,
      `name: ${name}\ndataDir: ${join(dir, 'data')}\nkubernetes: false\ncomponents:\n${text}`,
    );
  await configure(components);
  const init = 'echo; while :; do sleep 1000 & wait; done';
  const unshare = ['--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', init];
  const outer = spawn('unshare', unshare, { stdio: ['ignore', 'pipe', 'ignore'] });
  await once(outer.stdout, 'data');
  const children = readFileSync(`/proc/${outer.pid}/task/${outer.pid}/children`, 'utf8');
  const enter = ['--target', children.trim(), '--pid', '--mount'];
  onTestFinished(async () => {
    outer.kill('SIGKILL');
    await once(outer, 'exit');
    await forceCleanUp({ name, run: nodePaths(name).run, data: join(dir, 'data') });
  });
  /** Runs a command in the namespace, and resolves with its output, whatever the exit code. */
  const run = async (...command: readonly string[]): Promise<string> =>
    (await execa('nsenter', [...enter, ...command], { reject: false, all: true })).all;
  const k8sSingle = async (...args: string[]): Promise<string> => run(process.execPath, main, ...args);
  const status = async (): Promise<Status['components']> => {
    const text = await k8sSingle('status', '--name', name, '--output', 'json');
    return text.startsWith('{') ? (JSON.parse(text) as Status).components : [];
  };
  let output = '';
  return {
    name,
    /** What the last `up` has printed. */
    output: (): string => output,
    configure,
    run,
    k8sSingle,
    file: (path: string): string => join(dir, path),
    /** Brings it up, and resolves with its output when it is ready, or has printed something else. */
    up: async (until = / s {2}ready in /): Promise<string> => {
      const args = [main, 'up', '--config', config, '--output', 'plain'];
      const supervisor = spawn('nsenter', [...enter, process.execPath, ...args], {
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      output = '';
      supervisor.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
      await expect.poll(() => output, { timeout: 20_000 }).toMatch(until);
      return output;
    },
    /** Kills the supervisor, whose pid in the namespace is in the lock. */
    kill: async (): Promise<void> => {
      const [, pid] = readFileSync(join(nodePaths(name).run, 'lock'), 'utf8').split(/\s/);
      await run('kill', '-KILL', pid!);
      await expect.poll(async () => run('kill', '-0', pid!)).toContain('No such process');
    },
    /** The pids of the components, by name. */
    pids: async (): Promise<Record<string, number | undefined>> =>
      Object.fromEntries((await status()).map((each) => [each.name, each.pid])),
    restarts: async (): Promise<Record<string, number>> =>
      Object.fromEntries((await status()).map((each) => [each.name, each.restarts])),
    left: (): string[] =>
      [nodePaths(name).run, ...hierarchies().map(({ root }) => join(root, nodeCgroup(name)))].filter((path) =>
        existsSync(path),
      ),
  };
}

const two = recording('a') + recording('b', '[a]');

test('the next up takes over what a killed supervisor has left, and its own components outlive it, too', async () => {
  const graph = await graphInNamespace(two);
  await graph.up();
  const pids = await graph.pids();
  for (const _ of [1, 2]) {
    await graph.kill();
    expect(await graph.up()).toContain(`taking over pid ${pids['a']}`);
    expect(await graph.pids()).toEqual(pids);
    expect(await graph.restarts()).toEqual({ a: 0, b: 0 });
  }
  expect(await graph.k8sSingle('down', '--name', graph.name)).toContain(`node ${graph.name} is down`);
  expect(await readFile(graph.file('stopped'), 'utf8')).toBe('b\na\n');
  expect(graph.left()).toEqual([]);
});

test('one that ends later is started again', async () => {
  const graph = await graphInNamespace(two);
  await graph.up();
  await graph.kill();
  await graph.up();
  const { a, b } = await graph.pids();
  await graph.run('kill', '-KILL', String(a));
  await expect.poll(graph.restarts, { timeout: 20_000 }).toEqual({ a: 1, b: 0 });
  await expect.poll(async () => (await graph.pids())['a']).not.toBe(a);
  expect((await graph.pids())['b']).toBe(b);
  expect(graph.output()).toMatch(/ a {2}exited, nobody knows how: an earlier supervisor started it\n/);
});

test('a stranger with the pid of a component is left alone, and the component is started', async () => {
  const graph = await graphInNamespace(two);
  await graph.up();
  await graph.kill();
  const { a, b } = JSON.parse(readFileSync(join(nodePaths(graph.name).run, 'components.json'), 'utf8'))
    .components as Record<string, { pid: number }>;
  // Its children, too: the kernel does not reuse the pid while there is such a group.
  await graph.run('kill', '-KILL', '--', `-${a!.pid}`);
  await expect.poll(async () => graph.run('kill', '-0', String(a!.pid))).toContain('No such process');
  await rm(graph.file('a'));
  // The next process of the namespace gets the pid after this one.
  const stranger = `echo ${a!.pid - 1} > /proc/sys/kernel/ns_last_pid; setsid sleep 1234 <&- >&- 2>&- & echo $!`;
  expect(await graph.run('sh', '-c', stranger)).toBe(String(a!.pid));
  const output = await graph.up();
  expect(output).toContain(`taking over pid ${b!.pid}`);
  expect(output).not.toContain(`taking over pid ${a!.pid}`);
  const pids = await graph.pids();
  expect([pids['b'], pids['a'] === a!.pid]).toEqual([b!.pid, false]);
  expect(await graph.k8sSingle('down', '--name', graph.name)).toContain('is down');
  expect(await graph.run('cat', `/proc/${a!.pid}/cmdline`)).toContain('sleep');
});

test('what nobody can judge is stopped and started again: what is not healthy, and what may end with exit code 0', async () => {
  const job = `  job: { command: [sleep, '1001'], restart: { when: onFailure } }\n`;
  const graph = await graphInNamespace(two + job);
  await graph.up();
  const before = await graph.pids();
  await graph.kill();
  await rm(graph.file('a'));
  expect(await graph.up()).toMatch(/ a +unhealthy: not taken over: not ready after 10.0 s: /);
  const after = await graph.pids();
  expect(after['b']).toBe(before['b']);
  for (const name of ['a', 'job']) {
    expect(after[name]).not.toBe(before[name]);
    expect(await graph.run('kill', '-0', String(before[name]))).toContain('No such process');
  }
  expect(await graph.restarts()).toEqual({ a: 1, b: 0, job: 0 });
});

test('nothing is taken over for another config: all is stopped in order before the start', async () => {
  const graph = await graphInNamespace(two);
  await graph.up();
  const before = await graph.pids();
  await graph.kill();
  await graph.configure(two.replace('sleep 1000', 'sleep 1002'));
  expect(await graph.up()).toContain(
    'components: 2 of a supervisor that was killed still run, of another config or k8s-single: they are stopped',
  );
  expect(await readFile(graph.file('stopped'), 'utf8')).toBe('b\na\n');
  const after = await graph.pids();
  expect([after['a'] === before['a'], after['b'] === before['b']]).toEqual([false, false]);
});

test('what runs without its supervisor is said to, left alone by others, and stopped in order by down', async () => {
  const graph = await graphInNamespace(two);
  await graph.up();
  const pids = Object.values(await graph.pids()).map(String);
  await graph.kill();
  expect(await graph.k8sSingle('status', '--name', graph.name)).toBe(
    `k8s-single: the supervisor of node ${graph.name} was killed, and its components run on without one\n` +
      `  take them over: k8s-single up --name ${graph.name}; stop them: k8s-single down --name ${graph.name}`,
  );
  expect(await graph.k8sSingle('ls')).toMatch(new RegExp(`${graph.name} +orphaned +graph`));
  expect(await graph.k8sSingle('down', '--name', 'takeover-other')).toContain('was not running');
  // Outside of the namespace, the pids are others.
  expect((await cli(['down', '--name', 'takeover-other'])).stderr).toContain('was not running');
  // Where neither its processes nor its cgroup are seen.
  const hidden = `mount -n -t tmpfs -o ro tmpfs /sys/fs/cgroup; exec '${process.execPath}' '${main}' doctor --host`;
  const unshare = ['--mount', '--pid', '--fork', '--mount-proc', 'sh', '-c', hidden];
  expect((await execa('unshare', unshare, { reject: false, all: true })).all).toMatch(/✗ cgroups/);
  for (const pid of pids) expect(await graph.run('kill', '-0', pid)).toBe('');
  expect(await graph.k8sSingle('ls')).toMatch(new RegExp(`${graph.name} +orphaned +graph`));
  const other = ['up', '--config', graph.file('graph.yaml'), '--name', 'takeover-other'];
  expect(await graph.k8sSingle(...other)).toContain(`is in use by node ${graph.name} on `);
  expect(await graph.k8sSingle('down', '--name', graph.name)).toContain('is down');
  expect(await readFile(graph.file('stopped'), 'utf8')).toBe('b\na\n');
  expect(graph.left()).toEqual([]);
});

test('a stop during a takeover stops in order also what was not taken over yet', async () => {
  const graph = await graphInNamespace(two);
  await graph.up();
  await graph.kill();
  // Not ready any more: b waits for it.
  await rm(graph.file('a'));
  await graph.up(/ a {2}taking over/);
  expect(await graph.k8sSingle('down', '--name', graph.name)).toContain('is down');
  expect(await readFile(graph.file('stopped'), 'utf8')).toBe('b\na\n');
  expect(graph.left()).toEqual([]);
});
