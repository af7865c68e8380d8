import { existsSync, readFileSync } from 'node:fs';
import { rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { loadClusterFile } from '../config/clusterFile.ts';
import { cleanUpLeftovers, cleanUp, forceCleanUp } from '../instance/cleanUp.ts';
import { assertNotInUseByOther, lockFile } from '../instance/lock.ts';
import { reportDeadNodes } from '../instance/deadNodes.ts';
import { NodeInstance } from '../instance/nodeInstance.ts';
import { NodeLocks } from '../instance/nodeLocks.ts';
import { activeUnit, unitDataDir } from '../instance/unit.ts';
import type { UnitState } from '../instance/unit.ts';
import { checkDataFolder } from '../host/preflight.ts';
import { assertRoot } from '../host/root.ts';
import { run as runTool } from '../host/tool.ts';
import { readNodeFile } from '../instance/nodeFile.ts';
import type { NodeFile } from '../instance/nodeFile.ts';
import { leaveCluster } from '../kubernetes/join/leave.ts';
import { contextName } from '../kubernetes/kubeconfig/kubeconfig.ts';
import { removeFromKubeconfig, userKubeconfig } from '../kubernetes/kubeconfig/merge.ts';
import { isTyped, nodeCommand } from '../lib/commandLine.ts';
import { Failure, reasonOf } from '../lib/errors.ts';
import { nodePaths } from '../lib/paths.ts';
import { isSystemError } from '../lib/systemError.ts';
import { stopNode } from '../launcher/stopNode.ts';
import { purge as purgeData } from '../instance/purge.ts';

interface DownOptions {
  readonly name: string;
  /** A file of several nodes. */
  readonly config?: string;
  readonly purge?: boolean;
  readonly dataDir?: string;
}

/**
 * `k8s-single down`: stops the node, also one that is still starting. Only its data stays; with `--purge`, nothing. A node
 * that systemd runs is stopped by systemd, which would start it again otherwise.
 */
export async function down(options: DownOptions): Promise<number> {
  assertRoot();
  if (options.config !== undefined) {
    const nodes = await loadClusterFile(options.config);
    if (nodes === undefined) throw noNodes(options.config);
    if (options.dataDir !== undefined || isTyped('--name'))
      throw new Failure(
        'usage',
        `--name and --data-dir are for one node, and ${options.config} describes several`,
      );
    const { downCluster } = await import('./cluster/down.ts');
    return downCluster(nodes, options);
  }
  const unit = await activeUnit(options.name);
  const code = await takeDown(options, unit);
  if (unit?.isEnabled === true)
    console.error(
      `${unit.name} starts it again when the machine boots; for good: ${nodeCommand('systemd uninstall', options)}`,
    );
  return code;
}

function noNodes(file: string): Failure {
  return new Failure(
    'usage',
    `${file} does not describe several nodes: it has no "nodes", or cannot be read`,
    {
      hint: 'take one node down by its name: k8s-single down --name NAME',
    },
  );
}

/**
 * {@link down} of a node that is run by this active unit, or by none.
 * @param leave whether a worker leaves its cluster
 */
export async function takeDown(
  { name, purge = false, dataDir, leave: leaves = true }: DownOptions & { readonly leave?: boolean },
  unit?: Pick<UnitState, 'name'>,
): Promise<number> {
  const node = await readNodeFile(name).catch(() => undefined);
  const { run, data, controlSocket, poolMark } = nodePaths(
    name,
    dataDir ?? node?.dataDir ?? unitDataDir(name),
  );
  await assertNotInUseByOther(data, name);
  // A node that is starting has a lock before it has a node.json.
  const wasThere = node !== undefined || existsSync(lockFile(run)) || unit !== undefined;
  if (leaves && node?.worker !== undefined) await leave(node, node.worker);
  if (unit !== undefined) {
    console.error(`node ${name} is run by systemd: systemctl stop ${unit.name}`);
    await runTool(['systemctl', 'stop', unit.name]);
  }
  {
    // A frozen node of the pool could not be asked.
    if (existsSync(poolMark)) await forceCleanUp({ name, run, data });
    using instance = new NodeInstance(run);
    await stopNode(instance, name, controlSocket);
    if (instance.isOursToCleanUp) await cleanUp({ name, run, data });
  }
  if (purge) await purgeNode(name, run, data);
  await reportDeadNodes(name);
  console.error(wasThere ? `node ${name} is down` : `node ${name} was not running`);
  return 0;
}

/** Whatever fails, the node is stopped: its cluster may be gone. */
async function leave({ name, dataDir }: NodeFile, worker: NonNullable<NodeFile['worker']>): Promise<void> {
  const { server, nodeName } = worker;
  console.error(`draining ${nodeName} and removing it from ${server}`);
  await leaveCluster(worker, nodePaths(name, dataDir)).catch((error: unknown) => {
    console.error(`warning: ${nodeName} stays a node of the cluster: ${reasonOf(error)}`);
    console.error(`  on the machine of the control plane: k8s-single kubectl -- delete node ${nodeName}`);
  });
}

/** Takes the lock again first: somebody may have started the node in the meantime, or be purging it, too. */
async function purgeNode(name: string, run: string, data: string): Promise<void> {
  const locks = new NodeLocks();
  try {
    await locks.acquireToCleanUp(name, run);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    console.error(`node ${name} is being started again: its data stays`);
    return;
  }
  try {
    await cleanUpLeftovers({ name, run, data });
    const folder = checkDataFolder(data);
    if (folder.level === 'problem') console.error(`nothing is removed there: ${folder.message}`);
    const left = folder.level === 'problem' ? [] : await removeData(data);
    if (left.length > 0) console.error(`left in ${data}, as it is not the node's: ${left.join(', ')}`);
    // The parent folder goes with the last node.
    await rmdir(dirname(nodePaths(name).data)).catch(() => undefined);
    removeContext(name);
  } finally {
    // Also of a node whose data cannot be removed.
    await cleanUp({ name, run, data });
    locks.handOver();
  }
}

/** @throws Failure `preflight` when the disk refuses it, as one that is read-only does */
async function removeData(data: string): Promise<string[]> {
  return purgeData(data).catch((cause: unknown) => {
    if (!isSystemError(cause)) throw cause;
    throw new Failure('preflight', `the data folder ${data} cannot be removed: ${reasonOf(cause)}`, {
      hint: 'fix that, and try again',
      cause,
    });
  });
}

/** Removes what `kubeconfig --merge` has added to the user's kubeconfig. Prints a warning when that is not possible. */
function removeContext(name: string): void {
  const file = userKubeconfig();
  try {
    // Look before taking the lock, which fails in a folder that is read-only.
    if (!existsSync(file) || !readFileSync(file, 'utf8').includes(contextName(name))) return;
    if (removeFromKubeconfig(file, name)) console.error(`removed the context of node ${name} from ${file}`);
  } catch (error) {
    console.error(`warning: the kubeconfig keeps the context of node ${name}: ${reasonOf(error)}`);
  }
}
