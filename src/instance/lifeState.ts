import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { isListening } from '../control/socket.ts';
import { nodeCommand } from '../lib/commandLine.ts';
import { Failure } from '../lib/errors.ts';
import { flock } from '../lib/flock.ts';
import { nodePaths } from '../lib/paths.ts';
import { hasErrorCode } from '../lib/systemError.ts';
import { endingText, lockFile } from './lock.ts';
import { nodeFile } from './nodeFile.ts';
import { isOrphaned } from './runningComponents.ts';

/**
 * Where a node is in its life, as its lock says: `starting` until it answers, `ending` once it does not any more, because it is
 * being taken down or its supervisor has died. Until then nobody else can start it. `orphaned`: without a sandbox, its components
 * have outlived their supervisor, and the next one takes them over. `pooled`: it runs, but is frozen most of the time until
 * somebody takes it from the pool.
 */
export type LifeState = 'down' | 'starting' | 'running' | 'pooled' | 'ending' | 'orphaned';

/** The first line of a node's lock until its supervisor has recorded itself there. */
export const startingLine = /^starting (\S+) (\d+)\n/;

/** The state of a node whose lock is held. Undefined while its holder writes what it does with it, or removes it. */
export async function stateOfHeld(
  name: string,
): Promise<Exclude<LifeState, 'down' | 'orphaned'> | undefined> {
  const { run, controlSocket, poolMark } = nodePaths(name);
  const text = textOf(lockFile(run));
  if (text === '') return undefined;
  if (text === endingText) return 'ending';
  if (startingLine.test(text) || !existsSync(nodeFile(name))) return 'starting';
  if (!(await isListening(controlSocket))) return 'ending';
  return existsSync(poolMark) ? 'pooled' : 'running';
}

/** The same of any node. */
export async function stateOf(name: string): Promise<LifeState> {
  if (!(await isHeld(lockFile(nodePaths(name).run)))) return (await isOrphaned(name)) ? 'orphaned' : 'down';
  return (await stateOfHeld(name)) ?? 'starting';
}

/** Whether a process holds the lock file. */
export async function isHeld(file: string): Promise<boolean> {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return false;
    throw error;
  }
  try {
    return !(await flock(fd, 'shared'));
  } finally {
    closeSync(fd);
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/**
 * The error of a request that found nobody to answer it: says so if the node is only starting, or is being taken down, as `up`
 * would see it.
 */
export async function explainAbsence(name: string, error: unknown): Promise<unknown> {
  if (!(error instanceof Failure) || error.code !== 'notReady') return error;
  const state = await stateOf(name).catch(() => 'down');
  if (state === 'starting') {
    return new Failure('notReady', `node ${name} is starting, and does not answer yet`, {
      hint: nodeCommand('status', { name }, '--wait'),
      cause: error,
    });
  }
  if (state === 'orphaned') return orphaned(name, error);
  if (state !== 'ending') return error;
  return new Failure('notReady', `node ${name} is being taken down, or its supervisor has died`, {
    hint: `start it again, which waits for that: ${nodeCommand('up', { name })}`,
    cause: error,
  });
}

/** @throws Failure `preflight` for a node whose components have outlived their supervisor: they use its data */
export async function assertNotOrphaned(name: string): Promise<void> {
  if (await isOrphaned(name)) throw orphaned(name);
}

function orphaned(name: string, cause?: Failure): Failure {
  return new Failure(
    cause === undefined ? 'preflight' : 'notReady',
    `the supervisor of node ${name} was killed, and its components run on without one`,
    {
      hint: `take them over: ${nodeCommand('up', { name })}; stop them: ${nodeCommand('down', { name })}`,
      cause,
    },
  );
}
