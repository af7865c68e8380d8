import { readlinkSync, writeFileSync } from 'node:fs';
import { truncate } from 'node:fs/promises';
import { lockFile } from './lock.ts';

/**
 * Writes this process into its node's lock, to be found there when it dies: bin/init looks for a first line with the PID
 * namespace and the pid in it. The second is the node's data folder.
 */
export function recordSupervisor(run: string, data: string): void {
  // At once: the first component waits, and a thread would take 3 ms for it.
  writeFileSync(lockFile(run), `${readlinkSync('/proc/self/ns/pid')} ${process.pid}\n${data}\n`);
}

/** Takes it back: whatever this process has started has been stopped. */
export async function forgetSupervisor(run: string): Promise<void> {
  await truncate(lockFile(run));
}
