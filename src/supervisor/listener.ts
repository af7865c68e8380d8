import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { parseListen } from '../config/schema/listen.ts';
import { Failure, reasonOf } from '../lib/errors.ts';
import { fds } from '../sandbox/sandboxSpec.ts';
import { portHolder } from '../engine/supervise/ports.ts';

/** What listens on a port: in a box a descriptor that the process outside has opened, since the port is the host's. */
export type Listener = Server | { readonly fd: number };

/** The port to serve, opened. `listen` as in the config; undefined when nothing is asked for. */
export async function listenerFor(
  listen: string | undefined,
  isInBox: boolean,
): Promise<Listener | undefined> {
  if (listen === undefined) return undefined;
  return isInBox ? { fd: fds.listener } : openListener(listen);
}

/**
 * Listens, for somebody else to serve; whoever connects before that is turned away. Does not keep the process alive.
 * @throws Failure `preflight` when the port cannot be had, with who has it.
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
