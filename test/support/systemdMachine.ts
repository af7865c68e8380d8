import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { Unhealthy } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import { nodeCgroup, removeNodeCgroup } from '../../src/host/cgroup/nodeCgroup.ts';
import { debianRoot } from '../config/debianRoot.ts';
import { closed } from './cli.ts';

const script = join(import.meta.dirname, '../fixtures/systemd/machine.sh');
const namespaces = ['--net', '--mount', '--uts', '--pid', '--ipc'];

/** A machine in namespaces, without a way out, with Debian's systemd as PID 1. */
export interface SystemdMachine extends AsyncDisposable {
  /** On the real machine: its systemd. */
  readonly pid: string;
  /** Runs a program there and resolves with its result, whatever the exit code. */
  run(file: string, ...args: string[]): Promise<{ exitCode: number; stdout: string; all: string }>;
  /** Properties of a unit, as `systemctl show` has them. */
  show(unit: string, ...properties: string[]): Promise<Record<string, string>>;
}

/** Starts systemd in the cgroup of a node called `name`, which must not exist. */
export async function startSystemd(name: string): Promise<SystemdMachine> {
  const { root } = await debianRoot(['systemd']);
  const stage = await mkdtemp('/var/tmp/k8s-single-systemd-');
  const argv = [...namespaces, '--fork', '--kill-child', '--mount-proc', 'sh', script, stage, root];
  const child = spawn('unshare', [...argv, nodeCgroup(name).slice(1)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const exited = new AbortController();
  child.once('exit', () => exited.abort(new Error('the machine did not start')));
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    if (!exited.signal.aborted) await once(child, 'exit');
    await removeNodeCgroup(name);
    await rm(stage, { recursive: true });
  };
  const pidOf = async (): Promise<string> =>
    (await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')).trim();
  const run: SystemdMachine['run'] = async (file, ...args) => {
    const enter = ['--target', await pidOf(), ...namespaces, '--cgroup', '--wdns=/', file, ...args];
    const result = await execa('nsenter', enter, { env: closed, reject: false, all: true });
    return { exitCode: result.exitCode ?? -1, stdout: result.stdout, all: result.all };
  };
  const isRunning = async (): Promise<void> => {
    const { stdout, all } = await run('systemctl', 'is-system-running');
    if (stdout !== 'running') throw new Unhealthy(all);
  };
  try {
    await until(isRunning, { timeoutMs: 30_000, attemptTimeoutMs: 10_000 }, exited.signal);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    pid: await pidOf(),
    run,
    async show(unit, ...properties) {
      const { stdout } = await run('systemctl', 'show', `--property=${properties.join(',')}`, unit);
      return Object.fromEntries(stdout.split('\n').map((line) => line.split(/=(.*)/s, 2)));
    },
    [Symbol.asyncDispose]: stop,
  };
}
