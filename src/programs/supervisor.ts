import { Signals } from '../lib/signals.ts';
import { LauncherGone, receiveBoot } from '../sandbox/bootChannel.ts';
import { decodeBootSpec } from '../supervisor/bootSpec.ts';
import { sandboxHost } from '../supervisor/nodeHost.ts';
import { runNode } from '../supervisor/runNode.ts';
import { runMain } from './runMain.ts';
import { setV8Flags } from './v8Flags.ts';
// Loaded on demand elsewhere. This program needs them at once, so they are bundled into its one file.
import '../observe/terminal/plain.ts';
import '../observe/terminal/pretty.ts';

/**
 * The supervisor of a node in a sandbox: `node supervisor.cjs up ...`. The arguments are for people who look at the
 * processes; what it does is in the boot message.
 */
async function supervise(): Promise<number> {
  setV8Flags();
  try {
    const boot = await receiveBoot();
    const spec = decodeBootSpec(boot.task);
    // What the machine lacks, `ip` for one, is in the cache.
    if (spec.binaries !== undefined) process.env['PATH'] = spec.binaries.searchPath;
    using signals = new Signals();
    boot.followLauncher();
    return await runNode(spec, sandboxHost(boot), signals);
  } catch (error) {
    if (error instanceof LauncherGone) return 0;
    throw error;
  }
}

void runMain(supervise);
