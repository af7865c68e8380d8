import { readlinkSync } from 'node:fs';
import { truncate, writeFile } from 'node:fs/promises';
import { lockFile } from './lock.ts';

/**
 * Writes this process into its node's lock, to be found there when it dies: bin/init looks for a first line with the PID
 * namespace and the pid in it. The second is the node's data folder.
 */
export async function ownNode(run: string, data: string): Promise<void> {
  await writeFile(lockFile(run), `${readlinkSync('/proc/self/ns/pid')} ${process.pid}\n${data}\n`);
}

/** Takes it back: whatever this process has started has been stopped. */
export async function disownNode(run: string): Promise<void> {
  await truncate(lockFile(run));
}
