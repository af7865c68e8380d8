import { chmodSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { once } from 'node:events';
import { dirname } from 'node:path';
import { Failure } from '../lib/errors.ts';
import { alreadyRunning } from './node.ts';

/** Maximum length of the path of a unix socket, in bytes, without the terminating NUL (unix(7)). */
const maxPathBytes = 107;

/**
 * Prepares to listen on the socket: creates its folder with mode 0700, and removes a stale socket.
 * @throws Failure `preflight` if a node listens there, or if the path is too long or not a socket.
 */
export async function removeStaleSocket(path: string, name: string): Promise<void> {
  if (Buffer.byteLength(path) > maxPathBytes) {
    const message = `the path of the control socket is too long: ${path} (at most ${maxPathBytes} bytes)`;
    throw new Failure('preflight', message, { hint: 'choose a shorter --name' });
  }
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  chmodSync(dirname(path), 0o700);
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (!stats.isSocket()) {
    throw new Failure('preflight', `${path} is in the way: it is not a socket`, {
      hint: `remove it: rm ${path}`,
    });
  }
  if (await isListening(path)) throw alreadyRunning(name);
  rmSync(path, { force: true });
}

/** Whether a program listens on the socket: a connection to a stale one is refused. */
export async function isListening(path: string): Promise<boolean> {
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
