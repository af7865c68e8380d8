import { NodeLocks } from '../../src/instance/nodeLocks.ts';
import type { Signals } from '../../src/lib/signals.ts';
import { Sandbox } from '../../src/sandbox/sandbox.ts';
import type { SandboxedProcess, SandboxOptions } from '../../src/sandbox/sandbox.ts';
import type { SandboxSpec } from '../../src/sandbox/sandboxSpec.ts';

/** Runs a program of our own in a sandbox from its start on, as a launch does with a supervisor. */
export async function startInSandbox(
  options: SandboxSpec & SandboxOptions,
  task: unknown,
  signals: Signals,
): Promise<SandboxedProcess> {
  const locks = new NodeLocks();
  let sandbox: Sandbox | undefined;
  try {
    await locks.acquireNode(options.name, options.run);
    await locks.acquireData(options.name, options.data);
    sandbox = await Sandbox.start(options, locks);
    sandbox.provision(options);
    return await sandbox.run(options, task, signals);
  } catch (error) {
    await sandbox?.abort();
    locks.release();
    throw error;
  }
}
