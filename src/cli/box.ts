import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { NodeConfig } from '../config/node.ts';
import type { Binaries } from '../install/install.ts';
import { enter } from '../isolate/enter.ts';
import { nodePaths } from '../paths.ts';
import { followBoot } from './followBoot.ts';
import type { UpOptions } from './options.ts';

/** Starts this same command line again in a box and resolves with its exit code, or, with --detach, when it is ready. */
export async function upInBox(options: UpOptions, node: NodeConfig, binaries: Binaries): Promise<number> {
  const paths = nodePaths(node.name, node.dataDir);
  const box = {
    name: node.name,
    nodeName: node.nodeName,
    run: paths.run,
    data: paths.data,
    also: {
      '/var/log/pods': join(paths.logs, 'pods'),
      '/var/log/containers': join(paths.logs, 'containers'),
    },
    avoid: [node.network.podCidr, node.network.serviceCidr],
    init: binaries.files.catatonit,
    argv: [process.execPath, ...process.argv.slice(1)] as const,
  };
  if (options.detach !== true) return (await enter(box)).exited;

  await mkdir(paths.logs, { recursive: true, mode: 0o700 });
  const log = await open(join(paths.logs, 'supervisor.log'), 'w', 0o600);
  try {
    const entered = await enter({ ...box, stdio: ['ignore', log.fd, log.fd] });
    return await followBoot(entered, options, node, binaries);
  } finally {
    await log.close();
  }
}
