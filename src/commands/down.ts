import { existsSync } from 'node:fs';
import { rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { cleanUpLeftovers, cleanUp } from '../instance/cleanUp.ts';
import { assertNotInUseByOther, lockFile } from '../instance/lock.ts';
import { NodeInstance } from '../instance/nodeInstance.ts';
import { assertRoot } from '../host/preflight.ts';
import { readNodeFile } from '../instance/nodeFile.ts';
import { nodePaths } from '../lib/paths.ts';
import { stopNode } from '../launcher/stopNode.ts';
import { purge as purgeData } from '../instance/purge.ts';

interface DownOptions {
  readonly name: string;
  readonly purge?: boolean;
  readonly dataDir?: string;
}

/** `k8s-single down`: ends the node, also one that is only starting; then nothing is left of it but its data. */
export async function down({ name, purge = false, dataDir }: DownOptions): Promise<number> {
  assertRoot();
  const known = await readNodeFile(name).catch(() => undefined);
  const { run, data, controlSocket } = nodePaths(name, dataDir ?? known?.dataDir);
  await assertNotInUseByOther(data, name);
  // Before there is a node.json there is a lock.
  const wasThere = known !== undefined || existsSync(lockFile(run));
  {
    using life = new NodeInstance(run);
    await stopNode(life, name, controlSocket);
    if (life.isOursToCleanUp) await cleanUp({ name, run, data });
  }
  if (purge) await removeData(name, run, data);
  console.error(wasThere ? `node ${name} is down` : `node ${name} was not running`);
  return 0;
}

/** With the lock in hand: somebody may have started the node again by now. */
async function removeData(name: string, run: string, data: string): Promise<void> {
  using life = new NodeInstance(run);
  await life.hasEnded();
  if (!life.isOursToCleanUp) {
    console.error(`node ${name} is being started again: its data stays`);
    return;
  }
  await cleanUpLeftovers({ name, run, data });
  const left = await purgeData(data);
  if (left.length > 0) console.error(`left in ${data}, as it is not the node's: ${left.join(', ')}`);
  // The folder of all nodes goes with the last of them.
  await rmdir(dirname(nodePaths(name).data)).catch(() => undefined);
  await cleanUp({ name, run, data });
}
