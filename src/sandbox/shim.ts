import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:dgram';
import type { Server } from 'node:net';
import { Duplex } from 'node:stream';
import { pathWithSbin } from '../host/tool.ts';
import type { NodeDirs } from '../instance/cleanUp.ts';
import type { NodeLocks } from '../instance/nodeLocks.ts';
import { childEnv } from '../lib/childEnv.ts';
import { packageFile, programFile } from '../lib/paths.ts';
import { descriptors, sandboxEnv } from './sandboxSpec.ts';

type Stream = 'ignore' | 'inherit' | number;

/** The program that runs in a sandbox. */
export interface SandboxProgram {
  /** Node.js, the program, and its arguments. */
  readonly argv: readonly [string, ...string[]];
  /** stdin, stdout and stderr; a number is a descriptor. Default: this process's own. */
  readonly stdio?: readonly [Stream, Stream, Stream];
  /** Listens on the host, for the program to serve as descriptor {@link descriptors}.listener. */
  readonly listener?: Server | undefined;
  /** Bound on the host, for the program to serve as descriptors from {@link descriptors}.ports on. */
  readonly sockets?: readonly (Server | Socket)[];
  /** A network namespace that the shim keeps open for as long as the program runs. */
  readonly network?: number | undefined;
}

/**
 * The process outside of a sandbox that outlives it: runs its arguments, then removes every trace of the node, and exits
 * with their code. A shell, because it idles for as long as the node lives.
 */
const script = [
  'node=$1 cleanup=$2 name=$3 run=$4 data=$5',
  'shift 5',
  'trap : TERM INT HUP',
  // The reason of unshare(1) is found out in a better way when it fails: see sandbox.ts.
  '"$@" 8>&2 2>/dev/null',
  'code=$?',
  'exec 7>&-',
  '"$node" "$cleanup" "$name" "$run" "$data"',
  'exit "$code"',
].join('\n');

/**
 * Makes the namespaces, writes its process id on the host to the control pipe, and runs bin/init inside as PID 1: the first
 * child, which dies with its parent. Like `unshare --fork --kill-child --mount-proc`, but that has no exit code for a child
 * killed by SIGKILL. Unmounts of the host propagate to the inside: private mounts would keep the host's disks busy. The parent of the
 * init also keeps 7 open, the network of a cluster, should the shim be killed; what runs inside does not get it.
 */
const namespaces = [
  ...'unshare --net --mount --uts --pid --ipc --propagation slave sh -c'.split(' '),
  'exec 2>&8 8>&-; ' +
    'setpriv --pdeathsig KILL sh -c \'mount -n -t proc proc /proc && echo "$0" >&3 && exec sh "$@"\' $$ "$@" 7>&-; exit $?',
  'sh',
];

/** A shim that has been started. */
export interface Shim {
  readonly child: ChildProcess;
  readonly control: Duplex;
  /** The process on the host that holds the namespaces. Never resolves when they cannot be made. */
  readonly namespacesPid: Promise<number>;
  /** The shim's exit code, or the signal that killed it. */
  readonly exited: Promise<number | NodeJS.Signals>;
}

/** Starts the shim, which inherits the locks, and the program in new namespaces. */
export async function spawnShim(
  { name, run, data, argv, stdio, listener, sockets = [], network }: NodeDirs & SandboxProgram,
  locks: NodeLocks,
): Promise<Shim> {
  const cleanup = [process.execPath, programFile('cleanup'), name, run, data];
  const args = [...cleanup, ...namespaces, packageFile('bin/init'), ...argv];
  const held = locks.descriptors;
  const child = spawn('/bin/sh', ['-c', script, 'k8s-single', ...args], {
    // A session of its own: Ctrl-C in the terminal reaches only the launcher, which passes it on once.
    detached: true,
    env: { ...childEnv(process.env), ...sandboxEnv, PATH: pathWithSbin() },
    stdio: [
      ...(stdio ?? (['inherit', 'inherit', 'inherit'] as const)),
      'pipe',
      held.node,
      held.data,
      listener === undefined ? 'ignore' : descriptorOf(listener),
      network ?? 'ignore',
      ...Array.from({ length: descriptors.ports - descriptors.cluster - 1 }, () => 'ignore' as const),
      ...sockets.map(descriptorOf),
    ],
  });
  const exited = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? code ?? 0));
  });
  await once(child, 'spawn');
  const control = child.stdio[descriptors.control];
  if (!(control instanceof Duplex)) throw new Error('no control descriptor');
  const namespacesPid = once(control.setEncoding('utf8'), 'data').then(([line]) => Number(line));
  namespacesPid.catch(() => undefined);
  return { child, control, namespacesPid, exited };
}

/**
 * A socket belongs to the network namespace in which it was made, so the program inside can serve a port of the host.
 * @internal exported for tests
 */
export function descriptorOf(socket: Server | Socket): number {
  // Node.js has no public way to the descriptor; its own tests use this one (test/parallel/test-listen-fd-detached.js). That of
  // a UDP socket is deprecated with a warning, so take what is behind it.
  const state = Object.getOwnPropertySymbols(socket).find(
    ({ description }) => description === 'state symbol',
  );
  const handle: unknown =
    state === undefined ? Reflect.get(socket, '_handle') : handleOf(Reflect.get(socket, state));
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  if (typeof fd !== 'number' || fd < 0)
    throw new Error('this Node.js does not tell the descriptor of a server');
  return fd;
}

function handleOf(state: unknown): unknown {
  return typeof state === 'object' && state !== null ? Reflect.get(state, 'handle') : undefined;
}
