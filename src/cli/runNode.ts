import { toComponents } from '../config/components.ts';
import type { Config } from '../config/load.ts';
import { unknownIp } from '../config/load.ts';
import type { Box } from '../isolate/box.ts';
import { kubernetesNode } from '../node/index.ts';
import { nodePaths } from '../paths.ts';
import { keepReport } from './artifacts.ts';
import { settle } from './ground.ts';
import { factsOf } from './nodeFacts.ts';
import { configFor } from './options.ts';
import type { UpOptions } from './options.ts';
import { portOf } from './port.ts';
import { runGraph } from './runGraph.ts';
import { StopRequests } from './stopRequests.ts';
import { toolchain } from './toolchain.ts';

/**
 * Runs the graph in this process until it is asked to stop or cannot go on, and resolves with the exit code. `read` is the
 * config as far as it can be known without the node's own address.
 * @throws Failure when that is why it ended, after everything was stopped and the ground left.
 */
export async function runNode(options: UpOptions, box: Box | undefined, read: Config): Promise<number> {
  const stops = new StopRequests();
  const { name, dataDir } = read.node;
  const ground = await settle(read.node, box);
  try {
    const { ip } = ground;
    // The config may refer to the address: then it is read anew.
    const config = ip === unknownIp ? read : await configFor(options, ip);
    const { node } = config;
    const port = await portOf(node.listen, box);
    const site = { config, ip, output: options.output, stops, port };
    if (node.kubernetes === false) return await runGraph(toComponents(config, []), site);
    const binaries = await toolchain(options, node);
    const components = toComponents(config, kubernetesNode(factsOf(node, binaries, ip)));
    const { files, versions } = binaries;
    return await runGraph(components, { ...site, kubectl: files.kubectl, ctr: files.ctr, versions });
  } catch (error) {
    if (options.artifacts !== undefined) await keepReport(nodePaths(name, dataDir), options.artifacts);
    throw error;
  } finally {
    await ground.leave();
    stops.close();
  }
}
