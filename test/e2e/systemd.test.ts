import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Unhealthy } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import { main } from '../support/cli.ts';
import { TestNode } from '../support/testNode.ts';
import { eventually } from '../support/webPods.ts';
import { expectNothingLeft, snapshotHost } from '../support/leftovers.ts';
import type { Snapshot } from '../support/leftovers.ts';
import { connectMachines, startMachine } from '../support/machine.ts';
import type { Machine } from '../support/machine.ts';
import { startSystemd } from '../support/systemdMachine.ts';
import type { SystemdMachine } from '../support/systemdMachine.ts';

const machineName = 'e2e-systemd';
/** A node of Kubernetes in a sandbox, and a graph of one program without one. */
const [node, graph] = ['e2e-systemd-node', 'e2e-systemd-graph'];
const unitOf = (name: string): string => `k8s-single-${name}.service`;
const fileOf = (name: string): string => `/etc/systemd/system/${unitOf(name)}`;

let folder: string;
let before: Snapshot;
let machine: SystemdMachine;

/** Runs the program on the machine, and resolves with its exit code and output. */
async function k8sSingle(...args: string[]): Promise<[code: number, output: string]> {
  const { exitCode, all } = await machine.run(process.execPath, main, ...args);
  return [exitCode, all];
}

/** Waits until the unit has these properties. Resolves with all statuses seen meanwhile. */
async function reached(unit: string, expected: Readonly<Record<string, string>>): Promise<Set<string>> {
  const statuses = new Set<string>();
  const matches = async (): Promise<void> => {
    const found = await machine.show(unit, 'StatusText', ...Object.keys(expected));
    statuses.add(found['StatusText'] ?? '');
    const wanted = Object.entries(expected).every(([key, value]) => found[key] === value);
    if (!wanted) throw new Unhealthy(JSON.stringify(found));
  };
  await until(matches, { timeoutMs: 150_000, attemptTimeoutMs: 20_000 }, new AbortController().signal);
  return statuses;
}

/** Writes settings of the user for a unit, which installing it keeps. */
async function configure(name: string, settings: string): Promise<void> {
  const script = `mkdir -p ${fileOf(name)}.d; echo "[Service]\n${settings}" > ${fileOf(name)}.d/test.conf`;
  await machine.run('sh', '-c', script);
}

/** The pid on the machine of the process of a node whose command line contains the words. */
async function pidOf(words: string): Promise<string> {
  const { stdout } = await machine.run('pgrep', '--oldest', '--full', words);
  expect(stdout, words).toMatch(/^\d+$/);
  return stdout;
}

beforeAll(async () => {
  folder = await mkdtemp('/var/tmp/k8s-single-systemd-e2e-');
  before = await snapshotHost();
  machine = await startSystemd(machineName);
  const program = `trap 'sleep 0.5; echo stopped >> ${folder}/stopped; exit' TERM; sleep 1000 & wait`;
  await writeFile(
    join(folder, 'a b%n $HOME.yaml'),
    `kubernetes: false\nname: ${graph}\ndataDir: ${join(folder, 'graph')}\n` +
      `components:\n  web: { command: [sh, -c, "${program}"] }\n`,
  );
});

afterAll(async () => {
  await machine[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
  await expectNothingLeft(before, [machineName, node, graph]);
});

it('refuses a unit that another tool has made, and one that is masked', async () => {
  await machine.run('sh', '-c', `echo "[Service]\nExecStart=/bin/true" > ${fileOf(node)}`);
  for (const command of ['install', 'uninstall'])
    expect(await k8sSingle('systemd', command, '--name', node)).toEqual([
      3,
      expect.stringContaining(
        `there is a unit ${unitOf(node)} that k8s-single has not made: ${fileOf(node)}`,
      ),
    ]);
  await machine.run('ln', '-sf', '/dev/null', fileOf(node));
  expect(await k8sSingle('systemd', 'install', '--name', node)).toEqual([
    3,
    expect.stringContaining(`systemctl unmask ${unitOf(node)}`),
  ]);
  await machine.run('rm', fileOf(node));
  await machine.run('systemctl', 'daemon-reload');
});

it('a unit does not disturb a node that runs without it, and stays down', async () => {
  const config = ['--config', join(folder, 'a b%n $HOME.yaml')];
  await machine.run('systemd-run', '--quiet', '--unit=by-hand', process.execPath, main, 'up', ...config);
  const runs = async (): Promise<void> => {
    const [code, output] = await k8sSingle('status', '--name', graph);
    if (code !== 0) throw new Unhealthy(output);
  };
  await until(runs, { timeoutMs: 60_000, attemptTimeoutMs: 20_000 }, new AbortController().signal);
  expect(await k8sSingle('systemd', 'install', ...config)).toEqual([
    3,
    expect.stringContaining(`node ${graph} runs already, without its unit`),
  ]);
  await configure(graph, 'WatchdogSec=6\nRestartSec=1');
  expect(await k8sSingle('systemd', 'install', ...config, '--no-start')).toEqual([
    0,
    expect.stringContaining(`it starts when the machine boots, or now: systemctl start ${unitOf(graph)}`),
  ]);
  expect((await machine.run('systemctl', 'start', unitOf(graph))).exitCode).toBe(1);
  const status = `node ${graph} is already running`;
  await reached(unitOf(graph), {
    ActiveState: 'failed',
    ExecMainStatus: '3',
    NRestarts: '0',
    StatusText: status,
  });
  await runs();
  expect(await k8sSingle('down', '--name', graph)).toEqual([0, `node ${graph} is down`]);
  expect(await readFile(join(folder, 'stopped'), 'utf8')).toBe('stopped\n');
});

it('a supervisor that hangs is ended by the watchdog, and the next start takes over what it ran', async () => {
  expect((await k8sSingle('systemd', 'install', '--config', join(folder, 'a b%n $HOME.yaml')))[0]).toBe(0);
  const { MainPID } = await machine.show(unitOf(graph), 'MainPID');
  const web = await pidOf('sleep 0.5');
  await machine.run('kill', '-STOP', MainPID!);
  await reached(unitOf(graph), { Result: 'watchdog' });
  await reached(unitOf(graph), { ActiveState: 'active', NRestarts: '1', StatusText: 'ready' });
  expect(await pidOf('sleep 0.5')).toBe(web);
  expect(await readFile(join(folder, 'stopped'), 'utf8')).toBe('stopped\n');
});

it('what a supervisor has left is stopped in order when it is not started again', async () => {
  await configure(graph, 'WatchdogSec=6\nRestart=no');
  await machine.run('systemctl', 'daemon-reload');
  const { MainPID } = await machine.show(unitOf(graph), 'MainPID');
  await machine.run('kill', '-KILL', MainPID!);
  await reached(unitOf(graph), { ActiveState: 'failed', Result: 'signal' });
  expect((await machine.run('pgrep', '--full', 'sleep 0.5')).stdout).toBe('');
  expect(await readFile(join(folder, 'stopped'), 'utf8')).toBe('stopped\nstopped\n');
  expect((await machine.run('systemctl', 'start', unitOf(graph))).exitCode).toBe(0);
});

it('a node in a sandbox is ready when its start ends, and says meanwhile what it waits for', async () => {
  await configure(node, 'RestartSec=1');
  const data = ['--data-dir', join(folder, 'node')];
  const installed = k8sSingle('systemd', 'install', '--name', node, ...data, '--no-install');
  const statuses = await reached(unitOf(node), { ActiveState: 'active' });
  expect(await installed).toEqual([0, expect.stringContaining(`node ${node} is ready`)]);
  expect([...statuses]).toContainEqual(expect.stringMatching(/^waiting for .*apiserver/));
  expect(await machine.show(unitOf(node), 'StatusText', 'UnitFileState', 'Delegate', 'KillMode')).toEqual({
    StatusText: 'ready',
    UnitFileState: 'enabled',
    Delegate: 'yes',
    KillMode: 'mixed',
  });
  expect(await k8sSingle('status', '--name', node)).toEqual([
    0,
    expect.stringContaining(`run by the systemd unit ${unitOf(node)}`),
  ]);
  expect(await k8sSingle('up', '--name', node)).toEqual([
    3,
    expect.stringContaining(`node ${node} is run by the systemd unit ${unitOf(node)}`),
  ]);
});

it('is started again when its supervisor is killed', async () => {
  const etcd = await pidOf(`etcd .*${folder}/node/etcd`);
  await machine.run('kill', '-KILL', await pidOf(`supervisor.cjs up --name ${node}`));
  await reached(unitOf(node), { ActiveState: 'active', NRestarts: '1', StatusText: 'ready' });
  expect((await machine.run('kill', '-0', etcd)).exitCode).not.toBe(0);
});

it('down stops it by systemd, which leaves nothing and does not start it again', async () => {
  const [code, output] = await k8sSingle('down', '--name', node);
  expect([code, output]).toEqual([0, expect.stringContaining(`systemctl stop ${unitOf(node)}`)]);
  expect(output).toContain(`${unitOf(node)} starts it again when the machine boots`);
  expect(await machine.show(unitOf(node), 'ActiveState', 'Result')).toEqual({
    ActiveState: 'inactive',
    Result: 'success',
  });
  expect((await machine.run('pgrep', '--full', `${node}|${folder}/node`)).stdout).toBe('');
  const traces = `ls -d /run/k8s-single/${node} /sys/fs/cgroup/*/k8s-single-${node}; ip -o link | grep k8s-`;
  expect((await machine.run('sh', '-c', traces)).stdout).toBe('');
  expect(await k8sSingle('status', '--name', node)).toEqual([
    4,
    expect.stringContaining(`start it: systemctl start ${unitOf(node)}`),
  ]);
});

it('uninstall stops the node, and removes the unit but not the data', async () => {
  const [code, output] = await k8sSingle('systemd', 'uninstall', '--name', graph);
  expect(code).toBe(0);
  expect(output).toContain(`the data of node ${graph} stays in ${join(folder, 'graph')}`);
  expect(await machine.show(unitOf(graph), 'LoadState')).toEqual({ LoadState: 'not-found' });
  expect((await machine.run('ls', fileOf(graph))).exitCode).not.toBe(0);
  expect((await machine.run('ls', join(folder, 'graph', 'boot.json'))).exitCode).toBe(0);
  expect(await k8sSingle('systemd', 'uninstall', '--name', graph)).toEqual([
    0,
    `there is no unit ${unitOf(graph)}`,
  ]);
});

describe('a worker directly on its machine', () => {
  const name = 'e2e-systemd-worker';
  const control = new TestNode('e2e-systemd-control');
  const server = 'https://192.0.2.10:6443';
  const data = ['--data-dir', join('/var/tmp', 'k8s-single-e2e-systemd-worker')];
  let other: Machine;

  const onControl = async (command: string, ...args: string[]): Promise<string> =>
    other.run(process.execPath, [main, ...control.args(command, ...args)]);
  const nodes = async (): Promise<string> => onControl('kubectl', '--', 'get', 'nodes', '--no-headers');
  const install = async (...args: string[]) =>
    k8sSingle('systemd', 'install', '--name', name, '--host', '--join', server, ...data, ...args);

  beforeAll(async () => {
    await control.remove();
    other = await startMachine();
    await connectMachines(other.pid, machine.pid);
    await other.setAddress('192.0.2.10');
    await machine.run('ip', 'address', 'add', '192.0.2.11/24', 'dev', 'eth0');
    await machine.run('hostname', 'worker');
    const child = other.start(process.execPath, [main, ...control.args('up', '--host', '--output', 'json')]);
    let hasEnded = false;
    child.once('exit', () => (hasEnded = true));
    await eventually('ready', async () => (hasEnded ? 'ended: not ready' : onControl('status')), 120_000);
  });

  afterAll(async () => {
    await other[Symbol.asyncDispose]();
    await control.remove();
    await rm(data[1]!, { recursive: true, force: true });
  });

  it('is refused a unit that could not join', async () => {
    expect(await install()).toEqual([2, expect.stringContaining('a worker needs a token to join')]);
    const token = `abcdef.0123456789abcdef@sha256:${'0'.repeat(64)}`;
    expect(await install('--token', token)).toEqual([3, expect.stringContaining('nothing was sent to it')]);
    expect((await machine.run('ls', fileOf(name))).exitCode).not.toBe(0);
  });

  it('joins by a unit that does not have the token, which is gone then', async () => {
    const args = ['token', 'create', '--name', control.name];
    const token = (await other.run(process.execPath, [main, ...args])).split(' ').at(-1)!;
    expect(await install('--token', token)).toEqual([0, expect.stringContaining(`node ${name} is ready`)]);
    expect(await nodes()).toMatch(/^worker +Ready /m);
    const unit = await machine.run('cat', fileOf(name));
    expect(unit.stdout).toContain(`--host --join ${server}\n`);
    const [secret] = token.split('@');
    const found = await machine.run(
      'grep',
      '--recursive',
      '--files-with-matches',
      secret!,
      data[1]!,
      '/etc/systemd',
    );
    expect(found.stdout).toBe('');
    expect(await k8sSingle('status', '--name', name)).toEqual([
      0,
      expect.stringMatching(/^k8s-single +ready .*\nworker +ready /m),
    ]);
  });

  it('goes on with the same kubelet when its supervisor hangs, and stays a node of the cluster', async () => {
    await configure(name, 'WatchdogSec=6\nRestartSec=1');
    await machine.run('systemctl', 'daemon-reload');
    const kubelet = await pidOf(`kubelet .*${data[1]}`);
    const { MainPID } = await machine.show(unitOf(name), 'MainPID');
    await machine.run('systemctl', 'restart', unitOf(name));
    await reached(unitOf(name), { ActiveState: 'active', StatusText: 'ready' });
    expect(await pidOf(`kubelet .*${data[1]}`)).not.toBe(kubelet);
    const restarted = await machine.show(unitOf(name), 'MainPID');
    expect(restarted['MainPID']).not.toBe(MainPID);
    const again = await pidOf(`kubelet .*${data[1]}`);
    await machine.run('kill', '-STOP', restarted['MainPID']!);
    await reached(unitOf(name), { Result: 'watchdog' });
    await reached(unitOf(name), { ActiveState: 'active', NRestarts: '1', StatusText: 'ready' });
    expect(await pidOf(`kubelet .*${data[1]}`)).toBe(again);
    expect(await nodes()).toMatch(/^worker +Ready /m);
  });

  it('is stopped when it was killed and is not started again, and stays a node of the cluster', async () => {
    await configure(name, 'Restart=no');
    await machine.run('systemctl', 'daemon-reload');
    const { MainPID } = await machine.show(unitOf(name), 'MainPID');
    await machine.run('kill', '-KILL', MainPID!);
    await reached(unitOf(name), { ActiveState: 'failed', Result: 'signal' });
    expect((await machine.run('pgrep', '--full', `kubelet .*${data[1]}`)).stdout).toBe('');
    expect(await nodes()).toMatch(/^worker +(?:Not)?Ready +<none>/m);
    expect((await machine.run('systemctl', 'start', unitOf(name))).exitCode).toBe(0);
    expect(await nodes()).toMatch(/^worker +Ready +<none>/m);
  });

  it('is drained and leaves when its unit is removed', async () => {
    const [code, output] = await k8sSingle('systemd', 'uninstall', '--name', name);
    expect([code, output]).toEqual([
      0,
      expect.stringContaining(`draining worker and removing it from ${server}`),
    ]);
    expect(await nodes()).not.toContain('worker');
    expect((await k8sSingle('down', '--name', name, '--purge', ...data))[0]).toBe(0);
    expect((await machine.run('ls', data[1]!)).exitCode).not.toBe(0);
  });
});
