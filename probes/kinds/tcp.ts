import { connect } from '../transport/connect.ts';
import type { Probe } from '../probe.ts';

/** Passes when the TCP port accepts a connection, which is closed immediately; nothing is sent. */
export function tcp(port: number, host = '127.0.0.1'): Probe {
  const where = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  return async (signal) => {
    const socket = await connect({ port, host }, where, signal);
    socket.destroy();
  };
}
