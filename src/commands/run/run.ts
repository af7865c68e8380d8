import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { assertRoot } from '../../host/root.ts';
import type { Argv } from '../../host/tool.ts';
import { undoMkdir } from '../../host/undoMkdir.ts';
import { ephemeralName, ephemeralOptions } from '../../launcher/ephemeral.ts';
import { Failure } from '../../lib/errors.ts';
import { nodeName, nodeNameForm } from '../../lib/paths.ts';
import { Interrupted, signalExitCode, Signals } from '../../lib/signals.ts';
import { poolSocket } from '../../pool/protocol.ts';
import type { UpOptions } from '../../supervisor/options.ts';

interface RunOptions extends Omit<UpOptions, 'output' | 'detach' | 'host' | 'dataDir' | 'ephemeral'> {
  readonly keepOnFailure?: boolean;
  /** How many nodes the cluster has. */
  readonly nodes?: string;
  /** False: take no node from the pool. */
  readonly pool?: boolean;
}

/** The most nodes of `--nodes`: each takes some hundred MiB. */
const maxNodes = 20;

/**
 * `k8s-single run -- COMMAND`: a new node in memory, or a cluster of several, the command, all of it gone. Resolves with the command's
 * exit code, or with that of a node when that is why the command did not run to its end.
 */
export async function run(command: Argv, options: RunOptions): Promise<number> {
  const nodes = optionsOfNodes(options);
  const { keepOnFailure = false } = options;
  assertRoot();
  const undo = nodes.map(({ artifacts }) => (artifacts === undefined ? undefined : undoMkdir(artifacts)));
  using signals = new Signals();
  try {
    if (canBeTaken(options)) {
      const { runInPool } = await import('./runInPool.ts');
      const code = await runInPool(command, nodes[0]!, { keepOnFailure, signals });
      if (code !== undefined) return code;
    }
    // Not needed with a node of the pool: it takes longer to load than all the rest.
    const { runInNewNodes } = await import('./runInNewNodes.ts');
    return await runInNewNodes(command, nodes, { keepOnFailure, signals });
  } catch (error) {
    if (error instanceof Interrupted) return signalExitCode(error.signal);
    throw error;
  } finally {
    // Unless something was kept there.
    for (const removeArtifacts of undo) removeArtifacts?.();
  }
}

/** Whether a node of the pool will do, if there is a pool. Those have names of their own, no ports, and nothing that is kept. */
function canBeTaken({
  pool,
  name,
  config,
  nodes = '1',
  artifacts,
  publish = [],
  listen,
}: RunOptions): boolean {
  // A pipe can be read only once.
  const isFile = config === undefined || statSync(config, { throwIfNoEntry: false })?.isFile() === true;
  const isPlain = nodes === '1' && publish.length === 0 && isFile;
  return pool !== false && isPlain && (name ?? artifacts ?? listen) === undefined && existsSync(poolSocket);
}

/** The options of each node, the control plane first. @throws Failure `usage` for a wrong number of them */
function optionsOfNodes({
  nodes = '1',
  keepOnFailure: _keep,
  pool: _pool,
  artifacts,
  ...given
}: RunOptions): UpOptions[] {
  const count = Number(nodes);
  if (!Number.isInteger(count) || count < 1 || count > maxNodes)
    throw new Failure('usage', `--nodes ${nodes}: expected a number from 1 to ${maxNodes}`);
  const control = given.name ?? ephemeralName('run');
  return Array.from({ length: count }, (_node, index): UpOptions => {
    const name = index === 0 ? control : `${control}-${index + 1}`;
    if (index > 0 && !nodeName.test(name))
      throw new Failure('usage', `--name ${control} leaves no room for ${name}: expected ${nodeNameForm}`);
    const { publish: _publish, listen: _listen, ...common } = given;
    return {
      ...ephemeralOptions(index === 0 ? given : common, name),
      ...(artifacts !== undefined && { artifacts: resolve(artifacts, name) }),
      ...(index > 0 ? { join: control } : count > 1 ? { joinable: true } : {}),
    };
  });
}
