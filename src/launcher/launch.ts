import { join } from 'node:path';
import type { NodeConfig } from '../config/schema/node.ts';
import type { Config } from '../config/config.ts';
import { exitCodes } from '../lib/errors.ts';
import { cacheDirs } from '../install/find/cache.ts';
import { findBinaries, searchPath } from '../install/find/find.ts';
import type { Binaries } from '../install/install.ts';
import { sandboxBinaries } from '../install/find/needs.ts';
import type { Box } from '../sandbox/sandboxSpec.ts';
import type { Begun, InTheMaking } from '../sandbox/sandbox.ts';
import type { Told } from '../sandbox/follow.ts';
import { readNodeFile } from '../instance/nodeFile.ts';
import { cacheDir, nodePaths } from '../lib/paths.ts';
import type { BegunNode } from './beginBox.ts';
import type { UpOptions } from '../supervisor/options.ts';
import { written } from '../supervisor/bootSpec.ts';
import type { Plan } from '../supervisor/bootSpec.ts';
import { resolveBinaries } from '../supervisor/resolveBinaries.ts';

/**
 * Finds the binaries of a node while its box is made; before that, when what makes a box is to be brought itself. `more`: of the
 * box.
 */
export async function makeBox(
  begun: Begun,
  options: UpOptions,
  node: NodeConfig,
  more: Partial<Box> = {},
): Promise<{ readonly making: InTheMaking; readonly binaries: Binaries }> {
  const box = boxOf(node, more);
  const places = { binDirs: node.binDirs, cacheDirs: cacheDirs(cacheDir()) };
  const isThere = findBinaries({ ...places, needs: sandboxBinaries }).missing.length === 0;
  const early = isThere ? begun.make(box, searchPath(places)) : undefined;
  await early?.begun;
  const binaries = await resolveBinaries(options, node);
  return { binaries, making: early ?? begun.make(box, binaries.searchPath) };
}

/** Tells the process in the box what it is for and resolves with its exit code, or, with --detach, when it is ready: 0 only then. */
export async function upInBox(
  { begun, log }: BegunNode,
  options: UpOptions,
  config: Config,
): Promise<number> {
  const { node } = config;
  const { making, binaries } = await makeBox(begun, options, node);
  const entered = await making.tell(toTell({ options, config, binaries }));
  if (log === undefined) return entered.exited;
  const { followBoot, supervisorLog } = await import('./followBoot.ts');
  if (await followBoot(entered, options, node)) {
    await entered.detach();
    const { url } = await readNodeFile(node.name);
    if (url !== undefined) console.error(`see it in a browser: ${url}`);
    return 0;
  }
  const code = await entered.exited;
  console.error(await supervisorLog(log.file, log.size));
  if (code === exitCodes.ok) console.error(`node ${node.name} was taken down before it was ready`);
  return code || exitCodes.notReady;
}

/** The box of a node. `more`: of it. */
export function boxOf({ name, nodeName, dataDir, network }: NodeConfig, more: Partial<Box> = {}): Box {
  const { run, data, logs } = nodePaths(name, dataDir);
  return {
    name,
    nodeName,
    run,
    data,
    also: { '/var/log/pods': join(logs, 'pods'), '/var/log/containers': join(logs, 'containers') },
    avoid: [network.podCidr, network.serviceCidr],
    ...more,
  };
}

/** What the process in the box of a node is to know. */
export function toTell(plan: Plan): Told {
  // What the machine lacks, `ip` for one, is found in the cache.
  return { env: { PATH: plan.binaries.searchPath }, task: written(plan) };
}
