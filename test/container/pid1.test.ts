import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { nodeCgroup } from '../../src/host/cgroup/nodeCgroup.ts';
import { forceCleanUp } from '../../src/instance/cleanUp.ts';
import { hierarchies } from '../../src/host/cgroup/hierarchies.ts';
import { nodePaths } from '../../src/lib/paths.ts';
import { tempDir } from '../support/cli.ts';
import { testBinaries } from '../support/installBinaries.ts';
import { descendants } from '../support/processes.ts';

const program = join(import.meta.dirname, '../../bin/k8s-single');
let catatonit = '';

beforeAll(async () => {
  ({ catatonit } = await testBinaries('catatonit'));
});

/**
 * The position of the command in the PID namespace of a container. `wrapper`: the command line in front of it. `depth`: that of
 * the process to which signals are sent.
 */
const positions = [
  { position: 'as PID 1', wrapper: () => [], depth: 1 },
  {
    position: 'as the child of an init, as with docker run --init',
    wrapper: () => [catatonit, '--'],
    depth: 1,
  },
  { position: 'as the child of a shell', wrapper: () => ['sh', '-c', '"$@"; exit $?', 'sh'], depth: 2 },
] as const;

/** Stops one second after SIGTERM, and then records that; killed before, it records nothing. */
const stoppable = (name: string): string =>
  `{ command: [sh, -c, 'trap "sleep 1; echo ${name} >> stopped; exit" TERM; touch ${name}; sleep 1000 & wait'], ` +
  `workingDir: '\${config.dir}', ready: { file: '\${config.dir}/${name}' }`;
/** Ignores SIGTERM. */
const stubborn = `{ command: [sh, -c, 'trap "" TERM; touch stubborn; exec sleep 1000'], workingDir: '\${config.dir}', ready: { file: '\${config.dir}/stubborn' }`;

/** Runs `up` with the components in a PID namespace of its own, as in a container. */
async function container({ wrapper, depth }: (typeof positions)[number], components: string, settings = '') {
  const dir = await tempDir('pid1');
  const name = `pid1-${randomBytes(4).toString('hex')}`;
  await writeFile(
    join(dir, 'graph.yaml'),
    `name: ${name}\ndataDir: ${join(dir, 'data')}\nkubernetes: false\n${settings}\ncomponents:\n${components}`,
  );
  const command = [...wrapper(), program, 'up', '--config', join(dir, 'graph.yaml'), '--output', 'json'];
  const unshare = ['--pid', '--fork', '--kill-child', '--mount-proc', ...command];
  const unshareProcess = spawn('unshare', unshare, { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = once(unshareProcess, 'exit');
  onTestFinished(async () => {
    unshareProcess.kill('SIGKILL');
    await exited;
    await forceCleanUp({ name, run: nodePaths(name).run, data: join(dir, 'data') });
  });
  let output = '';
  let errors = '';
  unshareProcess.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  unshareProcess.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const processes = async () => descendants(unshareProcess.pid!);
  const signal = async (signalName: NodeJS.Signals): Promise<void> => {
    const all = await processes();
    let pid = unshareProcess.pid!;
    for (let step = 0; step < depth; step += 1) pid = all.find(({ parent }) => parent === pid)!.pid;
    process.kill(pid, signalName);
  };
  return {
    name,
    signal,
    processes,
    pids: async (pattern: RegExp): Promise<number[]> =>
      (await processes()).filter((each) => pattern.test(each.command)).map(({ pid }) => pid),
    killSupervisor: async (): Promise<void> => {
      const supervisor = (await processes()).find((each) => /^\S*node .*main\.cjs up/.test(each.command));
      process.kill(supervisor!.pid, 'SIGKILL');
    },
    file: (path: string) => join(dir, path),
    /** Waits until `count` components have emitted an event of this type. */
    reached: async (type: 'ready' | 'stopping', count: number): Promise<void> =>
      expect
        .poll(() => output.split(`"type":"${type}"`).length - 1, { timeout: 20_000 })
        .toBe(count)
        .catch((cause: unknown) => {
          throw new Error(`${String(cause)}\n${errors}`, { cause });
        }),
    exitCode: async (): Promise<unknown> => (await exited)[0],
    left: async (): Promise<string[]> =>
      [nodePaths(name).run, ...hierarchies().map(({ root }) => join(root, nodeCgroup(name)))].filter((path) =>
        existsSync(path),
      ),
  };
}

describe.for(positions)('$position', (position) => {
  test('a thousand orphans are reaped', async () => {
    const orphans = `for i in $(seq 1000); do (sh -c "echo >> orphans" &); done; touch started; exec sleep 1000`;
    const node = await container(
      position,
      `  a: { command: [bash, -c, '${orphans}'], workingDir: '\${config.dir}', ready: { file: '\${config.dir}/started' } }`,
    );
    const exitedOrphans = async (): Promise<number> =>
      (await readFile(node.file('orphans'), 'utf8').catch(() => '')).length;
    await expect.poll(exitedOrphans, { timeout: 60_000 }).toBe(1000);
    const zombies = async (): Promise<number> =>
      (await node.processes()).filter(({ state }) => state === 'Z').length;
    await expect.poll(zombies, { timeout: 5000 }).toBe(0);
  }, 90_000);

  test.for(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('%s stops the components in order', async (signal) => {
    const node = await container(position, `  b: ${stoppable('b')}, needs: [a] }\n  a: ${stoppable('a')} }`);
    await node.reached('ready', 2);
    await node.signal(signal);
    expect(await node.exitCode()).toBe(0);
    expect(await readFile(node.file('stopped'), 'utf8')).toBe('b\na\n');
    expect(await node.left()).toEqual([]);
  });

  test('a second signal skips the grace periods', async () => {
    const node = await container(position, `  a: ${stubborn}, stop: { grace: 10m } }`);
    await node.reached('ready', 1);
    await node.signal('SIGTERM');
    await node.reached('stopping', 1);
    await node.signal('SIGINT');
    expect(await node.exitCode()).toBe(0);
    expect(await node.left()).toEqual([]);
  });

  test.for([
    { what: 'a missing program', code: 3, component: '{ command: [no-such-program] }' },
    {
      what: 'a component that is never ready',
      code: 4,
      component: `{ command: [sleep, '1000'], ready: { file: /no/such } }`,
    },
    {
      what: 'a crash loop',
      code: 5,
      component: `{ command: ['false'], restart: { delay: 10ms, maxFailures: 1 } }`,
    },
  ])('exits with the code of a failed boot: $what is $code', async ({ code, component }) => {
    const node = await container(position, `  a: ${component}`, 'timeouts: { boot: 2s }');
    expect(await node.exitCode()).toBe(code);
    expect(await node.left()).toEqual([]);
  });

  test('a supervisor that is killed is started again, and takes over its components', async () => {
    const node = await container(position, `  b: ${stoppable('b')}, needs: [a] }\n  a: ${stoppable('a')} }`);
    await node.reached('ready', 2);
    const components = await node.pids(/^sh -c trap/);
    expect(components).toHaveLength(2);
    await node.killSupervisor();
    await node.reached('ready', 4);
    expect(await node.pids(/^sh -c trap/)).toEqual(components);
    await node.signal('SIGTERM');
    expect(await node.exitCode()).toBe(0);
    expect(await readFile(node.file('stopped'), 'utf8')).toBe('b\na\n');
    expect(await node.left()).toEqual([]);
  });

  test('a supervisor that is killed during a stop: what is left receives its signal, and has its grace', async () => {
    const node = await container(
      position,
      `  a: ${stoppable('a')} }\n  b: ${stoppable('b')} }\n  c: ${stubborn}, needs: [a, b] }`,
    );
    await node.reached('ready', 3);
    await node.signal('SIGTERM');
    await node.reached('stopping', 1);
    await node.killSupervisor();
    expect(await node.exitCode()).toBe(128 + 9);
    expect((await readFile(node.file('stopped'), 'utf8')).split('\n').toSorted()).toEqual(['', 'a', 'b']);
    expect(await node.left()).toEqual([]);
  });

  test('when it is killed for the sixth time, dependents end before their dependencies, each within its own grace', async () => {
    const node = await container(
      position,
      `  a: ${stoppable('a')} }\n  b: ${stoppable('b')}, needs: [a] }\n  c: ${stubborn}, needs: [b], stop: { grace: 100ms } }`,
    );
    await node.reached('ready', 3);
    // The lock of another node, which is being removed.
    const other = `${nodePaths(node.name).run}-other`;
    await mkdir(other);
    await symlink('/nowhere', join(other, 'lock'));
    onTestFinished(async () => rm(other, { recursive: true, force: true }));
    const components = await node.pids(/^sh -c trap|^sleep 1000/);
    for (let deaths = 1; deaths <= 5; deaths += 1) {
      await node.killSupervisor();
      await node.reached('ready', 3 * (deaths + 1));
    }
    expect(await node.pids(/^sh -c trap|^sleep 1000/)).toEqual(components);
    const killedAt = performance.now();
    await node.killSupervisor();
    expect(await node.exitCode()).toBe(128 + 9);
    expect(await readFile(node.file('stopped'), 'utf8')).toBe('b\na\n');
    expect(performance.now() - killedAt).toBeLessThan(8000);
    expect(await node.left()).toEqual([]);
  });
});
