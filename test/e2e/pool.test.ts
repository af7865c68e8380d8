import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Unhealthy } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import { isNodeFrozen } from '../../src/host/cgroup/freezer.ts';
import { hierarchies } from '../../src/host/cgroup/hierarchies.ts';
import { nodeCgroup, nodeProcesses } from '../../src/host/cgroup/nodeCgroup.ts';
import { nodePaths } from '../../src/lib/paths.ts';
import { startNode } from '../../src/library/library.ts';
import type { PoolStatus } from '../../src/pool/protocol.ts';
import { cli, main } from '../support/cli.ts';
import { expectNothingLeft, snapshotHost } from '../support/leftovers.ts';
import type { Snapshot } from '../support/leftovers.ts';
import { processTable } from '../support/processes.ts';

let folder = '';
let before: Snapshot;
let startedAt = 0;

async function k8sSingle(...args: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await cli(args, { cwd: folder });
  if (exitCode !== 0) throw new Error(`${args.join(' ')}: exit code ${exitCode}\n${String(stderr)}`);
  return [stdout, stderr].map(String).filter(Boolean).join('\n');
}

async function status(): Promise<PoolStatus> {
  return JSON.parse(await k8sSingle('pool', 'status', '--output', 'json')) as PoolStatus;
}

/** Waits until the pool has this many nodes, and resolves with their names. */
async function full(size = 2): Promise<readonly string[]> {
  let ready: readonly string[] = [];
  const isFull = async (): Promise<void> => {
    ({ ready } = await status());
    if (ready.length < size) throw new Unhealthy(`${ready.length} of ${size} nodes are ready`);
  };
  await until(isFull, { timeoutMs: 90_000, attemptTimeoutMs: 10_000 }, new AbortController().signal);
  return ready;
}

/** Prints the name of the node, the UID of its cluster, and what its controllers think of it. */
const look =
  'echo "$K8S_SINGLE_NAME"; kubectl get namespace kube-system --output "jsonpath={.metadata.uid}"; echo; ' +
  'kubectl get nodes --no-headers; kubectl get nodes --output "jsonpath={.items[0].spec.taints}"; ' +
  'kubectl get events --all-namespaces | grep NodeNotReady; kubectl create namespace app; ' +
  'kubectl get lease k8s-single --namespace kube-node-lease --output "jsonpath={.spec.renewTime}"; echo; date --utc --iso-8601=ns';

beforeAll(async () => {
  folder = await mkdtemp('/var/tmp/k8s-single-pool-');
  before = await snapshotHost();
  expect(await k8sSingle('pool', 'start', '--size', '2')).toMatch(
    /pool-\w{6} is ready \(1 of 2\)\npool-\w{6} is ready \(2 of 2\)/,
  );
  startedAt = performance.now();
});

afterAll(async () => {
  await k8sSingle('pool', 'stop');
  await rm(folder, { recursive: true, force: true });
});

it('stands still but for a moment now and then while nobody asks, and never for so long that it would show', async () => {
  const names = await full();
  /** The first look of each time at which one was awake, and its name. */
  const awake: { readonly name: string; readonly at: number }[] = [];
  let [frozen, looks] = [0, 0];
  const lookOnce = async (): Promise<void> => {
    for (const name of names) {
      if (await isNodeFrozen(name)) frozen += 1;
      else if (awake.at(-1)?.name !== name) awake.push({ name, at: performance.now() });
    }
    looks += 1;
    if (looks < 160) throw new Unhealthy('for 40 s');
  };
  const timing = { timeoutMs: 60_000, periodMs: 250, maxPeriodMs: 250 };
  await until(lookOnce, timing, new AbortController().signal);
  expect(frozen / (looks * names.length)).toBeGreaterThan(0.8);
  // In turns, every 7.5 s: the second was made in the first turn of the other.
  expect(awake.length).toBeGreaterThanOrEqual(4);
  const pauses = awake.slice(1).map(({ at }, index) => at - awake[index]!.at);
  expect(Math.min(...pauses.slice(1))).toBeGreaterThan(4000);
});

it('says so to who asks a node that is frozen', async () => {
  const [name = ''] = await full();
  expect((await cli(['status', '--name', name])).stderr).toContain(
    `node ${name} belongs to the pool, and is frozen until somebody takes it`,
  );
  expect(await k8sSingle('ls')).toMatch(new RegExp(`${name} +pooled +control plane`));
});

it('is not used against the will of its user, nor for another config', async () => {
  const name = 'echo "$K8S_SINGLE_NAME"';
  expect(await k8sSingle('run', '--no-pool', '--', 'sh', '-c', name)).toMatch(/^run-\w{6}\n/);
  await writeFile(join(folder, 'config.yaml'), 'kubelet: { maxPods: 30 }\n');
  const other = await k8sSingle('run', '--config', 'config.yaml', '--', 'sh', '-c', name);
  expect(other).toMatch(/^run-\w{6}\n/);
  expect(other).toContain('the nodes of the pool have another config');
  expect((await status()).taken).toBe(0);
  await expect(k8sSingle('up', '--from-pool', '--publish', '0:80')).rejects.toThrow('leave out --publish');
  await expect(k8sSingle('pool', 'start')).rejects.toThrow('there is a pool already');
});

it('hands each node out once, ready, with a fresh lease, however long it was frozen, and makes others', async () => {
  const names = await full();
  // Longer than the grace of a node whose kubelet does not answer (node-monitor-grace-period: 40 s).
  const isOld = async (): Promise<void> => {
    if (performance.now() - startedAt < 45_000) throw new Unhealthy('frozen for too short a time');
  };
  await until(isOld, { timeoutMs: 60_000 }, new AbortController().signal);
  const outputs = await Promise.all([1, 2].map(async () => k8sSingle('run', '--', 'sh', '-c', look)));
  const lines = outputs.map((output) => output.split('\n'));
  expect(new Set(lines.map(([name]) => name))).toEqual(new Set(names));
  expect(new Set(lines.map(([, uid]) => uid)).size).toBe(2);
  for (const [, , node, ...rest] of lines) {
    expect(node).toMatch(/^k8s-single +Ready /);
    expect(rest[0]).toBe('namespace/app created');
    const [renewedAt, now] = rest.slice(1, 3).map((time) => Date.parse(time.replace(/,(\d{3})\d*/, '.$1')));
    // A kubelet renews it every 10 s.
    expect(now! - renewedAt!).toBeLessThan(11_000);
    expect(rest[3]).toMatch(/^node pool-\w{6} of the pool: ready after .* \(exit code 0\), gone after /);
  }
  const others = await full();
  expect(others.filter((name) => names.includes(name))).toEqual([]);
  expect((await status()).taken).toBe(2);
});

it('gives its nodes to up and to the library, which own them then', async () => {
  const names = await full();
  const up = await k8sSingle('up', '--from-pool', '--detach');
  const [, first = ''] = /node (.+) of the pool is ready/.exec(up) ?? [];
  const node = await startNode();
  expect([first, node.name].toSorted()).toEqual(names.toSorted());
  expect(await node.kubectl('get', 'nodes', '--no-headers')).toContain(' Ready ');
  await node.stop();
  expect(await k8sSingle('status', '--name', first)).toContain('apiserver');
  expect(await k8sSingle('down', '--name', first)).toContain(`node ${first} is down`);
});

it('a run that is killed takes its node with it', async () => {
  await full(1);
  const running = execa(
    process.execPath,
    [main, 'run', '--', 'sh', '-c', 'echo "$K8S_SINGLE_NAME"; exec sleep 1000'],
    {
      reject: false,
      cwd: folder,
    },
  );
  const [output] = (await once(running.stdout, 'data')) as [Buffer];
  const name = String(output).trim();
  expect(name).toMatch(/^pool-/);
  const sleep = [...(await processTable()).values()].find(({ command }) => command === 'sleep 1000');
  running.kill('SIGKILL');
  process.kill(sleep!.pid);
  await running;
  const { run } = nodePaths(name);
  await expect
    .poll(async () => [existsSync(run), await nodeProcesses(name)], { timeout: 20_000 })
    .toEqual([false, []]);
});

it.each([
  ['of the pool', 'pool'],
  ['without one', 'run', '--no-pool'],
])(
  'a command that fails because its node %s ends has the exit code of that',
  async (_what, prefix, ...flags) => {
    await full(1);
    const script = 'echo "$K8S_SINGLE_NAME"; while kubectl get --raw /livez; do sleep 0.1; done 2>&1; exit 7';
    const running = execa(process.execPath, [main, 'run', ...flags, '--', 'sh', '-c', script], {
      cwd: folder,
      reject: false,
    });
    const [output] = (await once(running.stdout, 'data')) as [Buffer];
    const [name = ''] = String(output).split('\n');
    expect(name).toMatch(new RegExp(`^${prefix}-`));
    const pids = await nodeProcesses(name);
    const table = await processTable();
    const supervisor = pids.find((pid) => table.get(pid)?.command.includes('supervisor.cjs'));
    process.kill(supervisor!, 'SIGKILL');
    const { exitCode, stderr } = await running;
    expect(stderr).toContain(
      `node ${name} is down: its supervisor, or a process around it, was ended by SIGKILL`,
    );
    expect(stderr).toContain(`node ${name} ended before the command did`);
    expect(exitCode).toBe(137);
    await expect.poll(() => existsSync(nodePaths(name).run), { timeout: 20_000 }).toBe(false);
  },
);

/** Waits until the pool starts a node, whose processes there are, and resolves with its name. */
async function booting(): Promise<string> {
  let name: string | null = null;
  const isBooting = async (): Promise<void> => {
    ({ starting: name } = await status().catch(() => ({ starting: null })));
    if (name === null || (await nodeProcesses(name)).length === 0) throw new Unhealthy('none is booting');
  };
  await until(isBooting, { timeoutMs: 30_000, attemptTimeoutMs: 10_000 }, new AbortController().signal);
  return name!;
}

/** Where the share of the processors stands that a node gets: of v1 or of v2. */
function priorityFile(name: string): string {
  const files = hierarchies().flatMap(({ root }) =>
    ['cpu.shares', 'cpu.weight'].map((file) => join(root, nodeCgroup(name), file)),
  );
  return files.find((file) => existsSync(file))!;
}

async function keeperPid(): Promise<number> {
  const keeper = [...(await processTable()).values()].find(({ command }) =>
    command.includes('main.cjs __pool-keeper'),
  );
  return keeper!.pid;
}

async function killKeeper(): Promise<void> {
  process.kill(await keeperPid(), 'SIGKILL');
}

it('can be started again as soon as its keeper is killed', async () => {
  const names = await full();
  await killKeeper();
  expect(await k8sSingle('pool', 'start', '--size', '1')).toMatch(/pool-\w{6} is ready \(1 of 1\)/);
  const [name = ''] = await full(1);
  expect(names).not.toContain(name);
  for (const other of names) expect(existsSync(nodePaths(other).run)).toBe(false);
});

it('leaves nothing behind when its keeper is killed while it starts a node, which has little priority', async () => {
  const [name = ''] = await full(1);
  const whenTaken = await k8sSingle(
    'run',
    '--',
    'sh',
    '-c',
    'echo "$K8S_SINGLE_NAME"; cat "$0"',
    priorityFile(name),
  );
  expect(whenTaken).toMatch(new RegExp(`^${name}\\n(?:1024|100)\\n`));
  const next = await booting();
  await expect
    .poll(async () => readFile(priorityFile(next), 'utf8'), { timeout: 10_000 })
    .toMatch(/^(?:102|10)\n/);
  await killKeeper();
  await expectNothingLeft(before, undefined, 30_000);
  expect(await k8sSingle('run', '--', 'sh', '-c', 'echo "$K8S_SINGLE_NAME"')).toMatch(/^run-/);
  expect(await k8sSingle('pool', 'stop')).toBe('there is no pool');
  expect((await cli(['pool', 'status'])).exitCode).toBe(4);
});

it('is made from a config, and stops while a node of it is in use, which lives on with its owner', async () => {
  const config = join(folder, 'config.yaml');
  await writeFile(
    config,
    `components:\n  job: { command: [sleep, '1001'], env: { KUBECONFIG: '\${paths.kubeconfig}' } }\n`,
  );
  await k8sSingle('pool', 'start', '--size', '1', '--config', config);
  const script = 'echo "$K8S_SINGLE_NAME"; read -r line; kubectl get nodes --no-headers';
  const running = execa(process.execPath, [main, 'run', '--config', config, '--', 'sh', '-c', script], {
    cwd: folder,
  });
  const [output] = (await once(running.stdout, 'data')) as [Buffer];
  expect(String(output)).toMatch(/^pool-/);
  expect(await k8sSingle('pool', 'stop')).toBe('the pool is stopped');
  running.stdin.end('go on\n');
  expect((await running).stdout).toContain(' Ready ');
  await expectNothingLeft(before, undefined, 30_000);
});

it('goes on with the nodes that it has when others cannot be started', async () => {
  const config = join(folder, 'config.yaml');
  await writeFile(config, 'kubelet: { maxPods: 30 }\n');
  const starting = cli(['pool', 'start', '--size', '2', '--config', config], { cwd: folder });
  // It has read the config.
  await booting();
  await writeFile(config, 'kubelet: { maxPods: 31 }\n');
  const { exitCode, stderr } = await starting;
  expect(stderr).toMatch(/pool-\w{6} is ready \(1 of 2\)/);
  expect(stderr).toContain(
    '1 of 2 nodes are ready, and others will be as soon as they can: the config has changed since the pool was started',
  );
  expect(exitCode).toBe(0);
  expect((await status()).ready).toHaveLength(1);
  expect(await k8sSingle('pool', 'stop')).toBe('the pool is stopped');
  await expectNothingLeft(before, undefined, 30_000);
});

it('does without its nodes while memory is short, and has others when there is enough again', async () => {
  // The machine's, but for the pool with another amount that is available.
  const meminfo = join(folder, 'meminfo');
  const real = await readFile('/proc/meminfo', 'utf8');
  const setAvailable = async (kib: number): Promise<void> =>
    writeFile(meminfo, real.replace(/^MemAvailable: .*$/m, `MemAvailable: ${kib} kB`));
  await setAvailable(20_000_000);
  const script = 'mount --bind "$0" /proc/meminfo && exec "$@"';
  const start = [process.execPath, main, 'pool', 'start', '--size', '1'];
  await execa('unshare', ['--mount', 'sh', '-c', script, meminfo, ...start], { cwd: folder });
  const [name = ''] = await full(1);
  await setAvailable(200_000);
  const short = /^(?:memory is short|there is no memory for another node): 195 MiB available$/;
  await expect
    .poll(status, { timeout: 10_000 })
    .toMatchObject({ ready: [], reason: expect.stringMatching(short) as string });
  await expect.poll(() => existsSync(nodePaths(name).run), { timeout: 20_000 }).toBe(false);
  await setAvailable(20_000_000);
  const [other = ''] = await full(1);
  expect(other).not.toBe(name);
  expect(await k8sSingle('pool', 'stop')).toBe('the pool is stopped');
  await expectNothingLeft(before, undefined, 30_000);
});

it('a run does not wait for a keeper that hangs', async () => {
  await k8sSingle('pool', 'start', '--size', '1');
  const pid = await keeperPid();
  process.kill(pid, 'SIGSTOP');
  try {
    expect(await k8sSingle('run', '--', 'sh', '-c', 'echo "$K8S_SINGLE_NAME"')).toMatch(/^run-/);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  expect(await k8sSingle('pool', 'stop')).toBe('the pool is stopped');
  await expectNothingLeft(before, undefined, 30_000);
});
