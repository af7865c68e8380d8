import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { parseListen } from '../config/schema/addresses.ts';
import { Failure, reasonOf } from '../lib/errors.ts';
import { descriptors } from '../sandbox/sandboxSpec.ts';
import { portHolder } from '../engine/supervise/ports.ts';

/** A listening socket. In a sandbox it is a descriptor that the launcher has opened, since the port is the host's. */
export type Listener = Server | { readonly fd: number };

/** The listener for the `listen` key of the config, `undefined` without one. */
export async function listenerFor(
  listen: string | undefined,
  isSandboxed: boolean,
): Promise<Listener | undefined> {
  if (listen === undefined) return undefined;
  return isSandboxed ? { fd: descriptors.listener } : openListener(listen);
}

/**
 * Listens, for another process to serve; connections before that are closed. Does not keep this process alive.
 * @throws Failure `preflight` when the port is taken, with the process that holds it
 */
export async function openListener(text: string): Promise<Server> {
  const listen = parseListen(text);
  if (listen === undefined) throw new Failure('usage', `"${text}" is no port on a loopback address`);
  const server = createServer((connection) => connection.destroy());
  server.listen(listen);
  await once(server, 'listening').catch(async (cause: unknown) => {
    const holder = await portHolder(listen.port);
    const why = holder === undefined ? reasonOf(cause) : `it is held by ${holder}`;
    throw new Failure('preflight', `cannot listen on ${text}: ${why}`, {
      hint: 'stop that process, or choose another port with --listen',
      cause,
    });
  });
  return server.unref();
}
