import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Options } from 'execa';

const fixtures = join(import.meta.dirname, '../fixtures/egress');

/**
 * The network of a machine whose default route leads to one server and no further: what a node sends there never leaves this
 * machine. The only place for nodes with egress.
 */
export interface Outside extends AsyncDisposable {
  /** In front of a command: enters this network, or that of the server, called "internet". */
  readonly enter: Readonly<Record<'machine' | 'internet', readonly [string, ...string[]]>>;
  /** Runs a program there, and resolves with its result, whatever the exit code. */
  run(argv: readonly [string, ...string[]], options?: Options): Promise<{ exitCode?: number; all: string }>;
  /** What the server was asked: see internet.mjs. */
  requests(): Promise<string[]>;
}

export async function startOutside(): Promise<Outside> {
  const stage = await mkdtemp('/var/tmp/k8s-single-outside-');
  const log = `${stage}.log`;
  await writeFile(log, '');
  const args = [
    '--net',
    '--mount',
    '--uts',
    '--propagation',
    'private',
    'sh',
    join(fixtures, 'outside.sh'),
    stage,
  ];
  const machine = spawn('unshare', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await ready(machine);
  const namespaces = ['--target', String(machine.pid), '--net', '--mount', '--uts'];
  const inMachine = ['nsenter', ...namespaces] as const;
  const enter = {
    machine: inMachine,
    internet: [...inMachine, 'ip', 'netns', 'exec', 'internet'],
  } as const;
  const [nsenter, ...server] = [...enter.internet, process.execPath, join(fixtures, 'internet.mjs'), log];
  const internet = spawn(nsenter, server, { stdio: ['ignore', 'pipe', 'inherit'] });
  await ready(internet);
  return {
    enter,
    run: async (argv, options = {}) => {
      const result = await execa('nsenter', [...namespaces, ...argv], {
        ...options,
        all: true,
        reject: false,
      });
      return { ...(result.exitCode !== undefined && { exitCode: result.exitCode }), all: String(result.all) };
    },
    requests: async () => (await readFile(log, 'utf8')).split('\n').filter(Boolean),
    async [Symbol.asyncDispose]() {
      for (const child of [internet, machine]) {
        child.kill('SIGKILL');
        if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      }
      await rm(stage, { recursive: true });
      await rm(log);
    },
  };
}

async function ready(child: ReturnType<typeof spawn>): Promise<void> {
  const [output]: unknown[] = await once(child.stdout!, 'data');
  if (String(output) !== 'ready\n') throw new Error(`did not start: ${String(output)}`);
}
