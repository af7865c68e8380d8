import { rmSync } from 'node:fs';
import { cp, mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { hasErrorCode } from '../../lib/systemError.ts';
import type { Paths } from '../../lib/paths.ts';

/** The machine-readable report of a failed boot. The next boot removes it. */
export function failureFile(dataDir: string): string {
  return join(dataDir, 'failure.json');
}

export function removeFailureFile(dataDir: string): void {
  rmSync(failureFile(dataDir), { force: true });
}

/** Copies the logs of components and pods to `folder`, and `failure.json` if there is one. */
export async function keepArtifacts({ data, logs }: Paths, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const copy = async (file: string): Promise<void> =>
    // Symlinks among the logs point to each other by their paths inside the node: copy them unchanged.
    cp(file, join(folder, basename(file)), { recursive: true, verbatimSymlinks: true }).catch(
      (error: unknown) => {
        if (!hasErrorCode(error, 'ENOENT')) throw error;
      },
    );
  await Promise.all([logs, failureFile(data)].map(copy));
}
