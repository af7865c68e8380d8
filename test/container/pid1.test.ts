import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { nodeCgroup } from '../../src/host/cgroup/nodeCgroup.ts';
import { forceCleanUp } from '../../src/instance/cleanUp.ts';
import { hierarchies } from '../../src/host/cgroup/hierarchies.ts';
import { nodePaths } from '../../src/lib/paths.ts';
import { catatonit } from '../support/catatonit.ts';
import { tempDir } from '../support/cli.ts';
import { descendants } from '../support/processes.ts';

const program = join(import.meta.dirname, '../../bin/k8s-single');
let folder = '';
let init = '';

beforeAll(async () => {
  folder = await mkdtemp('/var/tmp/k8s-single-pid1-');
  init = await catatonit(folder);
}, 60_000);
afterAll(async () => rm(folder, { recursive: true, force: true }));

/** What stands in front of the command in a container's PID namespace; `depth` of the process that is asked to stop. */
const surroundings = [
  { place: 'as PID 1', front: () => [], depth: 1 },
  { place: 'behind an init, as with docker run --init', front: () => [init, '--'], depth: 1 },
  { place: 'below a shell', front: () => ['sh', '-c', '"$@"; exit $?', 'sh'], depth: 2 },
] as const;

/** Says that it has been asked to stop, after a second; killed before, it says nothing. */
const polite = (name: string): string =>
  `{ command: [sh, -c, 'trap "sleep 1; echo ${name} >> stopped; exit" TERM; touch ${name}; sleep 1000 & wait'], ` +
  `workingDir: '\${config.dir}', ready: { file: '\${config.dir}/${name}' }`;
/** Does not let itself be asked. */
const stubborn = `{ command: [sh, -c, 'trap "" TERM; touch stubborn; exec sleep 1000'], workingDir: '\${config.dir}', ready: { file: '\${config.dir}/stubborn' }`;

/** Runs `up` with the components in a PID namespace of its own, as a container does. */
async function container({ front, depth }: (typeof surroundings)[number], components: string, knobs = '') {
  const dir = await tempDir('pid1');
  const name = `pid1-${randomBytes(4).toString('hex')}`;
  await writeFile(
    join(dir, 'graph.yaml'),
    `name: ${name}\ndataDir: ${join(dir, 'data')}\nkubernetes: false\n${knobs}\ncomponents:\n${components}`,
  );
  const command = [...front(), program, 'up', '--config', join(dir, 'graph.yaml'), '--output', 'json'];
  const unshare = ['--pid', '--fork', '--kill-child', '--mount-proc', ...command];
  const outside = spawn('unshare', unshare, { stdio: ['ignore', 'pipe', 'ignore'] });
  const exited = once(outside, 'exit');
  onTestFinished(async () => {
    outside.kill('SIGKILL');
    await exited;
    await forceCleanUp({ name, run: nodePaths(name).run, data: join(dir, 'data') });
  });
  let said = '';
  outside.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  const processes = async () => descendants(outside.pid!);
  const signal = async (which: NodeJS.Signals): Promise<void> => {
    const chain = await processes();
    let pid = outside.pid!;
    for (let step = 0; step < depth; step += 1) pid = chain.find(({ parent }) => parent === pid)!.pid;
    process.kill(pid, which);
  };
  return {
    processes,
    signal,
    file: (path: string) => join(dir, path),
    /** Resolves when so many components have come so far. */
    reached: async (type: 'ready' | 'stopping', count: number): Promise<void> =>
      expect.poll(() => said.split(`"type":"${type}"`).length - 1, { timeout: 20_000 }).toBe(count),
    exitCode: async (): Promise<unknown> => (await exited)[0],
    left: async (): Promise<string[]> =>
      [nodePaths(name).run, ...hierarchies().map(({ root }) => join(root, nodeCgroup(name)))].filter((path) =>
        existsSync(path),
      ),
  };
}

describe.for(surroundings)('$place', (place) => {
  test('a thousand orphans leave no zombie', async () => {
    const orphans = `for i in $(seq 1000); do (sh -c "echo >> orphans" &); done; touch made; exec sleep 1000`;
    const node = await container(
      place,
      `  a: { command: [bash, -c, '${orphans}'], workingDir: '\${config.dir}', ready: { file: '\${config.dir}/made' } }`,
    );
    const made = async (): Promise<number> =>
      (await readFile(node.file('orphans'), 'utf8').catch(() => '')).length;
    await expect.poll(made, { timeout: 20_000 }).toBe(1000);
    const zombies = async (): Promise<number> =>
      (await node.processes()).filter(({ state }) => state === 'Z').length;
    await expect.poll(zombies, { timeout: 5000 }).toBe(0);
  });

  test.for(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('%s stops it in order', async (signal) => {
    const node = await container(place, `  b: ${polite('b')}, needs: [a] }\n  a: ${polite('a')} }`);
    await node.reached('ready', 2);
    await node.signal(signal);
    expect(await node.exitCode()).toBe(0);
    expect(await readFile(node.file('stopped'), 'utf8')).toBe('b\na\n');
    expect(await node.left()).toEqual([]);
  });

  test('a second signal hurries', async () => {
    const node = await container(place, `  a: ${stubborn}, stop: { grace: 10m } }`);
    await node.reached('ready', 1);
    await node.signal('SIGTERM');
    await node.reached('stopping', 1);
    await node.signal('SIGINT');
    expect(await node.exitCode()).toBe(0);
    expect(await node.left()).toEqual([]);
  });

  test.for([
    { what: 'no such program', code: 3, component: '{ command: [no-such-program] }' },
    { what: 'never ready', code: 4, component: `{ command: [sleep, '1000'], ready: { file: /no/such } }` },
    {
      what: 'a crash loop',
      code: 5,
      component: `{ command: ['false'], restart: { delay: 10ms, maxFailures: 1 } }`,
    },
  ])('the exit code of a boot that fails gets out: $what is $code', async ({ code, component }) => {
    const node = await container(place, `  a: ${component}`, 'timeouts: { boot: 2s }');
    expect(await node.exitCode()).toBe(code);
    expect(await node.left()).toEqual([]);
  });

  test('when the supervisor is killed, all get SIGTERM and a grace', async () => {
    const node = await container(place, `  a: ${polite('a')} }\n  b: ${polite('b')} }\n  c: ${stubborn} }`);
    await node.reached('ready', 3);
    const supervisor = (await node.processes()).find(({ command }) =>
      /^\S*node .*main\.cjs up/.test(command),
    );
    process.kill(supervisor!.pid, 'SIGKILL');
    expect(await node.exitCode()).toBe(128 + 9);
    expect((await readFile(node.file('stopped'), 'utf8')).split('\n').toSorted()).toEqual(['', 'a', 'b']);
    expect(await node.left()).toEqual([]);
  });
});
