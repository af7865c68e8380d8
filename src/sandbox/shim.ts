import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Server } from 'node:net';
import { childEnv } from '../lib/childEnv.ts';
import { packageFile, programFile } from '../lib/paths.ts';
import { boxEnv, fds } from './sandboxSpec.ts';
import type { NodeDirs } from '../instance/cleanUp.ts';
import { holder } from '../instance/lock.ts';
import { starter } from '../instance/start.ts';
import { pathWithSbin } from '../host/tool.ts';

/** What runs in a box. */
export interface Program {
  /** Node.js, the program to run inside, and its arguments. */
  readonly argv: readonly [string, ...string[]];
  /** stdin, stdout and stderr of the program; a number is a descriptor. Default: this process's own. */
  readonly stdio?: readonly [Stream, Stream, Stream];
}

type Stream = 'ignore' | 'inherit' | number;

/** Descriptors that go inside: see `fds`. */
interface Given {
  readonly lock: number;
  readonly dataLock: number;
  readonly listener: Server | undefined;
}

/** Why a keeper has not said {@link locked}: its exit codes. */
export const refusals = { running: 201, inUse: 202, stale: 203, noFlock: 204 } as const;

/** What a keeper says when it has the locks. */
export const locked = 'locked';

/**
 * Takes the locks and says so, runs the rest of its arguments, then removes the traces. A shell, because it idles as long as the
 * node lives; and starting flock(1) costs it a third of what it does Node.js. A lock whose file was removed before it was had is
 * none (see lock.ts).
 */
const keeper = [
  'node=$1 cleanup=$2 name=$3 run=$4 data=$5 starter=$6 holder=$7',
  'shift 7',
  'trap : TERM INT HUP',
  `command -v flock >/dev/null || exit ${refusals.noFlock}`,
  'take() {',
  // 1: somebody else has it (flock(1)). For all else it gives the reason.
  '  flock --nonblock "$1" || { [ $? -eq 1 ] && exit "$4"; exit 1; }',
  `  [ "/proc/self/fd/$1" -ef "$2" ] || exit ${refusals.stale}`,
  '  echo "$3" >"$2"',
  '}',
  `take ${fds.lock} "$run/lock" "$starter" ${refusals.running}`,
  `take ${fds.dataLock} "$data/lock" "$holder" ${refusals.inUse}`,
  `echo ${locked} >&${fds.control}`,
  // What unshare(1) says is found out better: see enter.ts.
  '"$@" 8>&2 2>/dev/null',
  'code=$?',
  '"$node" "$cleanup" "$name" "$run" "$data"',
  'exit "$code"',
].join('\n');

/**
 * Makes the namespaces, says its process id on the host, and has in them bin/init as PID 1, the first child, which dies with its
 * parent. As `unshare --fork --kill-child --mount-proc`, but that one has no exit code for a child that was killed by SIGKILL.
 * Mounts of the host go away inside too when they do there; as private ones they would keep its disks busy.
 */
const namespaces = [
  ...'unshare --net --mount --uts --pid --ipc --propagation slave sh -c'.split(' '),
  'exec 2>&8 8>&-; ' +
    'setpriv --pdeathsig KILL sh -c \'mount -n -t proc proc /proc && echo "$0" >&3 && exec sh "$@"\' $$ "$@"; exit $?',
  'sh',
];

/** Takes the locks, starts the program in namespaces of its own, and outside of them what removes all traces when it has ended. */
export async function spawnKeeper(
  { name, run, data, argv, stdio }: NodeDirs & Program,
  { lock, dataLock, listener }: Given,
): Promise<ChildProcess> {
  const cleanup = programFile('cleanup');
  const init = packageFile('bin/init');
  const traces = [name, run, data, starter(), holder(name)];
  const kept = [process.execPath, cleanup, ...traces, ...namespaces, init, ...argv];
  const child = spawn('/bin/sh', ['-c', keeper, 'k8s-single', ...kept], {
    // A session of its own: Ctrl-C in the terminal reaches only us, and it goes on to the inside once.
    detached: true,
    env: { ...childEnv(process.env), ...boxEnv(data), PATH: pathWithSbin() },
    stdio: [
      ...(stdio ?? (['inherit', 'inherit', 'inherit'] as const)),
      'pipe',
      lock,
      dataLock,
      ...(listener === undefined ? [] : [descriptorOf(listener)]),
    ],
  });
  await once(child, 'spawn');
  return child;
}

/** A socket belongs to the network in which it was made, so the program inside serves a port of the host's. */
function descriptorOf(listener: Server): number {
  // Node.js has no public way to it; its own tests hand one on like this (test/parallel/test-listen-fd-detached.js).
  const handle: unknown = Reflect.get(listener, '_handle');
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  if (typeof fd !== 'number' || fd < 0)
    throw new Error('this Node.js does not tell the descriptor of a server');
  return fd;
}
