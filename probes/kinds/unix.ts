import { connect } from '../transport/connect.ts';
import type { Probe } from '../probe.ts';

/** Passes when the unix socket accepts a connection. The stale socket of an exited process does not. */
export function unix(path: string): Probe {
  return async (signal) => {
    const socket = await connect({ path }, path, signal);
    socket.destroy();
  };
}
