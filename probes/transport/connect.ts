import { connect as netConnect, type NetConnectOpts, type Socket } from 'node:net';
import { cannotReach } from './reason.ts';

/** Connects; the caller destroys the socket. Rejects with an Unhealthy with the reason, in which `where` names the peer. */
export function connect(to: NetConnectOpts, where: string, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket = netConnect(to);
    const onAbort = () => {
      socket.destroy();
      reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('error', (error) => {
      signal.removeEventListener('abort', onAbort);
      reject(cannotReach(error, where));
    });
    socket.once('connect', () => {
      signal.removeEventListener('abort', onAbort);
      resolve(socket);
    });
  });
}
