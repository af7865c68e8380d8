import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { exitCodes } from '../errors.ts';
import { enter } from '../isolate/enter.ts';
import type { Inside } from '../isolate/enter.ts';
import { readNodeFile } from '../nodeFile.ts';
import { nodePaths } from '../paths.ts';
import { bootSeen, supervisorLog } from './followBoot.ts';
import { planEnv } from './plan.ts';
import type { Plan } from './plan.ts';
import { openPort } from './port.ts';

/** Starts this same command line again in a box and resolves with its exit code, or, with --detach, when it is ready: 0 only then. */
export async function upInBox(plan: Plan): Promise<number> {
  const { options, config } = plan;
  const { node } = config;
  const box = boxFor(plan, process.argv.slice(1));
  if (options.detach !== true) return (await enter(box)).exited;

  const { logs } = nodePaths(node.name, node.dataDir);
  await mkdir(logs, { recursive: true, mode: 0o700 });
  // Appended to like every log: it may be that of a node that runs already, and it is rotated.
  const log = await open(join(logs, 'supervisor.log'), 'a+', 0o600);
  try {
    const { size } = await log.stat();
    const entered = await enter({ ...box, stdio: ['ignore', log.fd, log.fd] });
    if (await bootSeen(entered, options, node)) {
      await entered.detach();
      const { url } = await readNodeFile(node.name);
      if (url !== undefined) console.error(`see it in a browser: ${url}`);
      return 0;
    }
    const code = await entered.exited;
    console.error(await supervisorLog(log, size));
    if (code === exitCodes.ok) console.error(`node ${node.name} was taken down before it was ready`);
    return code || exitCodes.notReady;
  } finally {
    await log.close();
  }
}

/** The box of a node, in which this program is started again with the arguments. */
export function boxFor(plan: Plan, args: readonly string[]): Inside {
  const { binaries } = plan;
  const { name, nodeName, dataDir, network, listen } = plan.config.node;
  const { run, data, logs } = nodePaths(name, dataDir);
  return {
    name,
    nodeName,
    run,
    data,
    also: { '/var/log/pods': join(logs, 'pods'), '/var/log/containers': join(logs, 'containers') },
    avoid: [network.podCidr, network.serviceCidr],
    // What the machine lacks, `ip` for one, is found in the cache.
    env: { PATH: binaries.searchPath, ...planEnv(plan) },
    argv: [process.execPath, ...args],
    ...(listen !== undefined && { listener: async () => openPort(listen) }),
  };
}
