import { forwardPorts } from '../supervisor/ports/forward.ts';
import type { ForwarderOptions } from '../supervisor/ports/forward.ts';
import { runMain } from './runMain.ts';

/** Forwards published ports to the node: `node portForwarder.cjs JSON`. Ends with 0 at SIGTERM. */
async function main(): Promise<number> {
  const options: ForwarderOptions = JSON.parse(process.argv[2] ?? '');
  const end = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => end.abort());
  await forwardPorts(options, end.signal);
  // With all connections and sockets.
  process.exit(0);
}

void runMain(main);
