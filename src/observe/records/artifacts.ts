import { cp, mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { hasErrorCode } from '../../host/cgroup/cgroupFiles.ts';
import type { Paths } from '../../lib/paths.ts';
import { failureFile } from './failureFile.ts';

/** Keeps what tells why in `folder`: the logs of the components and the pods, and `failure.json` where there is one. */
export async function keepArtifacts({ data, logs }: Paths, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const keep = async (file: string): Promise<void> =>
    // The links among the logs lead to each other, by the names that they have in the node.
    cp(file, join(folder, basename(file)), { recursive: true, verbatimSymlinks: true }).catch(
      (error: unknown) => {
        if (!hasErrorCode(error, 'ENOENT')) throw error;
      },
    );
  await Promise.all([logs, failureFile(data)].map(keep));
}
