import { rmSync } from 'node:fs';
import { join } from 'node:path';

/** Where the machine-readable report of a failed boot is: it is gone with the next boot. */
export function failureFile(dataDir: string): string {
  return join(dataDir, 'failure.json');
}

export function forgetFailure(dataDir: string): void {
  rmSync(failureFile(dataDir), { force: true });
}
