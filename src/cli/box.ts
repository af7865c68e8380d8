import { join } from 'node:path';
import { exitCodes } from '../errors.ts';
import type { Box } from '../isolate/box.ts';
import type { Told } from '../isolate/follow.ts';
import { readNodeFile } from '../nodeFile.ts';
import { nodePaths } from '../paths.ts';
import type { BegunNode } from './beginBox.ts';
import { written } from './plan.ts';
import type { Plan } from './plan.ts';

/** Tells the process in the box what it is for and resolves with its exit code, or, with --detach, when it is ready: 0 only then. */
export async function upInBox({ begun, log }: BegunNode, plan: Plan): Promise<number> {
  const { options, config } = plan;
  const { node } = config;
  const entered = await begun.tell(toTell(plan));
  if (log === undefined) return entered.exited;
  const { bootSeen, supervisorLog } = await import('./followBoot.ts');
  if (await bootSeen(entered, options, node)) {
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

/** What the process in the box of a node is to know. `more`: of the box. */
export function toTell(plan: Plan, more: Partial<Box> = {}): Told {
  const { name, nodeName, dataDir, network } = plan.config.node;
  const { run, data, logs } = nodePaths(name, dataDir);
  return {
    box: {
      name,
      nodeName,
      run,
      data,
      also: { '/var/log/pods': join(logs, 'pods'), '/var/log/containers': join(logs, 'containers') },
      avoid: [network.podCidr, network.serviceCidr],
      ...more,
    },
    // What the machine lacks, `ip` for one, is found in the cache.
    env: { PATH: plan.binaries.searchPath },
    task: written(plan),
  };
}
