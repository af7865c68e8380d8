import { readlinkSync, writeFileSync } from 'node:fs';
import { truncate } from 'node:fs/promises';
import { lockFile } from './lock.ts';

/**
 * Records this process as the supervisor in its node's lock file. When it dies, bin/init finds the node by the first
 * line, with the PID namespace and the pid; the second line is the data folder.
 */
export function recordSupervisor(run: string, data: string): void {
  // Synchronous: the first component waits for it, and a thread would take 3 ms.
  writeFileSync(lockFile(run), `${readlinkSync('/proc/self/ns/pid')} ${process.pid}\n${data}\n`);
}

/** Removes that record: everything this process started has been stopped. */
export async function forgetSupervisor(run: string): Promise<void> {
  await truncate(lockFile(run));
}
