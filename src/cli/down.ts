import { existsSync } from 'node:fs';
import { rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { client } from '../control/client.ts';
import { reasonOf } from '../errors.ts';
import { clear, untilGone } from '../isolate/clear.ts';
import { assertNotOfAnother, lockFile } from '../isolate/lock.ts';
import { assertRoot } from '../isolate/preflight.ts';
import { readNodeFile } from '../nodeFile.ts';
import { nodePaths } from '../paths.ts';
import { purge as purgeData } from './purge.ts';

/** Stopping in order takes what the components' graces take together in the worst case, in ms. */
const stopWithinMs = 120_000;

/** `k8s-single down`: in order while the supervisor answers, by force when it does not; then nothing is left. */
export async function down({
  name,
  purge,
  dataDir,
}: {
  name: string;
  purge?: boolean;
  dataDir?: string;
}): Promise<number> {
  assertRoot();
  const known = await readNodeFile(name).catch(() => undefined);
  const { run, data, controlSocket } = nodePaths(name, dataDir ?? known?.dataDir);
  const traces = { name, run, data };
  await assertNotOfAnother(data, name);
  if (known !== undefined) {
    try {
      await client(controlSocket).down(AbortSignal.timeout(stopWithinMs));
      await untilGone(traces, stopWithinMs);
    } catch (error) {
      console.error(`node ${name} does not stop by itself (${reasonOf(error)}): by force`);
    }
  }
  // Before there is a node.json there is a lock: one that was just starting is ended, too.
  const wasThere = known !== undefined || existsSync(lockFile(run));
  await clear(traces);
  if (purge === true) {
    const left = await purgeData(data);
    if (left.length > 0) console.error(`left in ${data}, as it is not the node's: ${left.join(', ')}`);
    // The folder of all nodes goes with the last of them.
    await rmdir(dirname(nodePaths(name).data)).catch(() => undefined);
  }
  console.error(wasThere ? `node ${name} is down` : `node ${name} was not running`);
  return 0;
}
