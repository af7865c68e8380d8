import { connect } from '../transport/connect.ts';
import type { Probe } from '../probe.ts';

/** Something accepts connections on the unix socket: a socket that a dead process left behind does not pass. */
export function unix(path: string): Probe {
  return async (signal) => {
    const socket = await connect({ path }, path, signal);
    socket.destroy();
  };
}
