import type { NodeConfig } from '../config/node.ts';
import type { Binaries } from '../install/install.ts';
import { enter } from '../isolate/enter.ts';
import type { Paths } from '../paths.ts';
import type { UpOptions } from './options.ts';

/** Starts this same command line again in a box and resolves with its exit code, or, with --detach, when it is ready. */
export async function upInBox(
  _options: UpOptions,
  node: NodeConfig,
  paths: Paths,
  binaries: Binaries,
): Promise<number> {
  const entered = await enter({
    name: node.name,
    nodeName: node.nodeName,
    run: paths.run,
    data: paths.data,
    also: { '/var/log/pods': `${paths.logs}/pods`, '/var/log/containers': `${paths.logs}/containers` },
    init: binaries.files.catatonit,
    argv: [process.execPath, ...process.argv.slice(1)],
  });
  return entered.exited;
}
