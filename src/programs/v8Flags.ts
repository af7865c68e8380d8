// The built-in modules that a supervisor needs. Node.js has them precompiled, but V8 rejects that code once a flag is set, and
// compiles again what is loaded from then on, including what others load in turn (servers load cluster, clocks perf_hooks).
// Not http2, which the first component need not wait for: see probes/transport/grpcChannel.ts.
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
 * Makes V8 compile as little as possible: a supervisor does nothing often enough for compiling to pay, and the compiler takes
 * cores and memory from the API server. Call it before most of the program runs. On the command line the same flags cost
 * 30 ms, for the reason given above.
 */
export function setV8Flags(): void {
  for (const flag of ['--no-opt', '--no-sparkplug', '--optimize-for-size']) setFlagsFromString(flag);
}
