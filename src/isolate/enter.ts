import { spawn } from 'node:child_process';
import type { ChildProcess, StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import type { Server } from 'node:net';
import { constants } from 'node:os';
import { Writable } from 'node:stream';
import { packageFile, programBeside } from '../paths.ts';
import { boxEnv } from './box.ts';
import type { Box } from './box.ts';
import { clear, removeRemains } from './clear.ts';
import { farewell } from './follow.ts';
import { lockData, release } from './lock.ts';
import { onSignals } from './signals.ts';
import type { Signals } from './signals.ts';
import { lockToStart } from './start.ts';

export interface Inside extends Box {
  /** Node.js, the program to run inside, and its arguments. */
  readonly argv: readonly [string, ...string[]];
  /** Added to this process's own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Listens on the host, for the program to serve as descriptor {@link fds}.listener. */
  readonly listener?: (() => Promise<Server>) | undefined;
  /** stdin, stdout and stderr of the program; a number is a descriptor. Default: this process's own. */
  readonly stdio?: readonly [Stream, Stream, Stream];
}

type Stream = 'ignore' | 'inherit' | number;

/** A socket belongs to the network in which it was made, so the program inside serves a port of the host's. */
function descriptorOf(listener: Server): number {
  // Node.js has no public way to it; its own tests hand one on like this (test/parallel/test-listen-fd-detached.js).
  const handle: unknown = Reflect.get(listener, '_handle');
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  if (typeof fd !== 'number' || fd < 0)
    throw new Error('this Node.js does not tell the descriptor of a server');
  return fd;
}

/** A program that runs in namespaces of its own. */
export interface Entered {
  /** Its exit code, 128 + n for signal n, when it and every trace of it are gone. */
  readonly exited: Promise<number>;
  /** Raises a signal in it, once. Never lost, however early. */
  readonly signal: (signal: NodeJS.Signals) => void;
  /** Lets go: this process may end and the one inside lives on. */
  readonly detach: () => Promise<void>;
}

/**
 * Starts a program in its own network, mount, UTS, PID and IPC namespaces with an init as PID 1; the program furnishes
 * them with `setUpInside`. SIGTERM, SIGINT and SIGHUP of this process go to it until it has exited, or until the owner of
 * `signals` sends them elsewhere. Rejects with a preflight Failure when the node runs already.
 */
export async function enter(inside: Inside, signals: Signals = onSignals()): Promise<Entered> {
  try {
    const { child, ended } = await start(inside);
    const control = child.stdio[3];
    if (!(control instanceof Writable)) throw new Error('no control descriptor');
    // When it has ended just now, its exit is the answer to whatever we say.
    control.on('error', () => {});
    const signal = (name: NodeJS.Signals): void => void control.write(`${name}\n`);
    signals.sendTo(signal);
    const detach = async (): Promise<void> => {
      signals.close();
      control.end(`${farewell}\n`);
      await once(control, 'finish');
      // It can be read from, too, and that would keep this process alive.
      control.destroy();
      child.unref();
    };
    return { signal, detach, exited: ended.finally(signals.close) };
  } catch (error) {
    signals.close();
    throw error;
  }
}

/** Runs the rest of its arguments, then removes the traces. A shell, because it idles as long as the node lives. */
const keeper =
  'node=$1 afterwards=$2 name=$3 run=$4 data=$5; shift 5; trap : TERM INT HUP; ' +
  '"$@"; code=$?; "$node" "$afterwards" "$name" "$run" "$data"; exit "$code"';

/**
 * Makes the namespaces, and in them bin/init as PID 1, the first child, which dies with its parent. As `unshare --fork
 * --kill-child --mount-proc`, but that one has no exit code for a child that was killed by SIGKILL. Mounts of the host go away
 * inside too when they do there; as private ones they would keep its disks busy.
 */
const namespaces = [
  ...'unshare --net --mount --uts --pid --ipc --propagation slave sh -c'.split(' '),
  'setpriv --pdeathsig KILL sh -c \'mount -n -t proc proc /proc && exec sh "$@"\' sh "$@"; exit $?',
  'sh',
];

async function start(inside: Inside): Promise<{ child: ChildProcess; ended: Promise<number> }> {
  const { name, run, data, argv, env } = inside;
  const lock = await lockToStart(name, run);
  // First of all: what another node on the same data has mounted there must stay.
  const dataLock = await lockData(data, name).catch((error: unknown) => release(run, lock, error));
  await removeRemains(inside);
  // The data of a throw-away node is in its run folder, which is empty now.
  mkdirSync(data, { recursive: true, mode: 0o700 });
  const listener = await inside.listener?.();
  const hostNetwork = openSync('/proc/self/ns/net', 'r');
  const afterwards = programBeside(import.meta.url, 'afterwards');
  const kept = [
    process.execPath,
    afterwards,
    name,
    run,
    data,
    ...namespaces,
    packageFile('bin/init'),
    ...argv,
  ];
  const stdio: StdioOptions = [
    ...(inside.stdio ?? ['inherit', 'inherit', 'inherit']),
    'pipe',
    hostNetwork,
    lock,
    dataLock,
    ...(listener === undefined ? [] : [descriptorOf(listener)]),
  ];
  const child = spawn('sh', ['-c', keeper, 'k8s-single', ...kept], {
    // A session of its own: Ctrl-C in the terminal reaches only us, and it goes on to the inside once.
    detached: true,
    env: { ...process.env, ...env, ...boxEnv(inside) },
    stdio,
  });
  const ended = exitOf(child, inside);
  closeSync(hostNetwork);
  closeSync(lock);
  closeSync(dataLock);
  listener?.close();
  await once(child, 'spawn');
  return { child, ended };
}

function exitOf(child: ChildProcess, inside: Inside): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('exit', (code, signal) => {
      if (signal === null) return resolve(code ?? 0);
      // The keeper itself was killed: what it would have done is ours to do.
      clear(inside).then(() => resolve(128 + constants.signals[signal]), reject);
    });
  });
}
