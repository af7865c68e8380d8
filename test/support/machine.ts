import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';

const script = join(import.meta.dirname, '../fixtures/sandbox/machine.sh');
const namespaces = ['--net', '--mount', '--uts', '--pid', '--ipc'];

/** Namespaces that resemble a machine: what runs there with --host does not affect the real one. */
export interface Machine extends AsyncDisposable {
  /** On the real machine: a process in the namespaces. */
  readonly pid: string;
  /** Runs a program and resolves with its output. @throws Error unless it exits with 0 */
  run(file: string, args: readonly string[], input?: string): Promise<string>;
  /** Starts a program. Signals to the returned process reach nsenter, not the program, which has another pid inside. */
  start(file: string, args: readonly string[]): ChildProcess;
  /** Replaces the address of its interface. */
  setAddress(ip: string): Promise<void>;
}

export async function startMachine(): Promise<Machine> {
  const stage = await mkdtemp('/var/tmp/k8s-single-machine-');
  const unshare = [...namespaces, '--fork', '--kill-child', '--mount-proc', 'sh', script, stage];
  const child = spawn('unshare', unshare, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [output]: unknown[] = await once(child.stdout, 'data');
  if (String(output) !== 'ready\n') throw new Error(`the machine did not start: ${String(output)}`);
  const pid = (await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')).trim();
  const enter = ['--target', pid, ...namespaces];
  const run: Machine['run'] = async (file, args, input = '') =>
    (await execa('nsenter', [...enter, file, ...args], { input })).stdout;
  return {
    pid,
    run,
    start: (file, args) =>
      spawn('nsenter', [...enter, file, ...args], { stdio: ['ignore', 'ignore', 'inherit'] }),
    setAddress: async (ip) => {
      await run('ip', ['address', 'flush', 'dev', 'eth0']);
      await run('ip', ['address', 'add', `${ip}/24`, 'dev', 'eth0']);
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await once(child, 'exit');
      await rm(stage, { recursive: true });
    },
  };
}

/**
 * Puts a cable between two machines, as `eth0` of each, instead of what they have there. They have no addresses then.
 * @param pids of a process in each of them
 */
export async function connectMachines(...pids: readonly [string, string]): Promise<void> {
  const ip = async (pid: string, ...args: string[]) =>
    execa('nsenter', ['--target', pid, '--net', 'ip', 'link', ...args]);
  for (const pid of pids) await ip(pid, 'delete', 'eth0').catch(() => undefined);
  const [a, b] = pids.map((pid) => ['name', 'eth0', 'netns', pid]);
  await execa('ip', ['link', 'add', ...a!, 'type', 'veth', 'peer', ...b!]);
  for (const pid of pids) await ip(pid, 'set', 'eth0', 'up');
}
