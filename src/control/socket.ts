import { chmodSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { once } from 'node:events';
import { dirname } from 'node:path';
import { nodeCommand } from '../lib/commandLine.ts';
import { Failure } from '../lib/errors.ts';

/** A unix socket's path holds so many bytes and a NUL (unix(7)). */
const longestPath = 107;

/**
 * Makes room for a socket at this path: its folder is the owner's alone, and what a dead node left behind is removed.
 * @throws Failure `preflight` when a node listens there, or something else is in the way.
 */
export async function removeStaleSocket(path: string, name: string): Promise<void> {
  if (Buffer.byteLength(path) > longestPath) {
    throw new Failure(
      'preflight',
      `the control socket's path is too long: ${path} (${longestPath} bytes at most)`,
      {
        hint: 'choose a shorter --name',
      },
    );
  }
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  chmodSync(dirname(path), 0o700);
  const there = statSync(path, { throwIfNoEntry: false });
  if (there === undefined) return;
  if (!there.isSocket()) {
    throw new Failure('preflight', `${path} is in the way: it is not a socket`, {
      hint: `remove it: rm ${path}`,
    });
  }
  if (await isListening(path)) throw alreadyRunning(name);
  rmSync(path, { force: true });
}

export function alreadyRunning(name: string): Failure {
  return new Failure('preflight', `node "${name}" is already running`, {
    hint: `see it: ${nodeCommand('status', { name })}; end it: ${nodeCommand('down', { name })}`,
  });
}

/** A socket whose process is gone refuses the connection. */
async function isListening(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
