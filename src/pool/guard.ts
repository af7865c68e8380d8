import { spawn } from 'node:child_process';
import { childEnv } from '../lib/childEnv.ts';
import { programFile } from '../lib/paths.ts';

/** A shell, because it idles for as long as its owner lives. */
const script = 'read -r word; [ "$word" = leave ] || exec "$@"';

/** Runs a command of this program when this process dies in any way. */
export interface Guard {
  /** Nothing is to be done any more. */
  readonly dismiss: () => void;
}

/** Starts a guard, in a session of its own: what ends this process and its children does not reach it. */
export function startGuard(...command: readonly string[]): Guard {
  const args = ['-c', script, 'k8s-single', process.execPath, programFile('main'), ...command];
  const child = spawn('/bin/sh', args, {
    detached: true,
    cwd: '/',
    env: childEnv(process.env),
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  // It may have been killed.
  child.stdin.on('error', () => undefined);
  child.on('error', () => undefined);
  child.unref();
  return { dismiss: () => void child.stdin.end('leave\n') };
}
