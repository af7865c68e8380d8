// Node.js' own modules that a supervisor needs. They come compiled, but only for a V8 that was told nothing: those that are loaded
// once a flag is set are compiled anew; so are those that others load in turn: who listens needs cluster, who reads a clock
// perf_hooks. But for http2, which the first component need not wait for: see probes/channel.ts.
import 'node:child_process';
import 'node:cluster';
import 'node:crypto';
import 'node:http';
import 'node:https';
import 'node:perf_hooks';
import 'node:readline';
import 'node:tls';
import { setFlagsFromString } from 'node:v8';

/**
 * From now on V8 compiles as little as it can: nothing in a supervisor is done so often that compiling it pays, and the compiler
 * would take the cores and the memory from the API server. To be called before most of the program is run. The same flags on
 * the command line would cost 30 ms, for what is said above.
 */
export function setV8Flags(): void {
  for (const flag of ['--no-opt', '--no-sparkplug', '--optimize-for-size']) setFlagsFromString(flag);
}
