import { toComponents } from '../config/components.ts';
import type { Config } from '../config/load.ts';
import { unknownIp } from '../config/load.ts';
import type { Box } from '../isolate/box.ts';
import { lookAtMachine } from '../isolate/machine.ts';
import { snapshotterFinding } from '../isolate/snapshotter.ts';
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
  const { data, containerd } = nodePaths(read.node.name, read.node.dataDir);
  const ground = await settle(read.node, box);
  try {
    const { ip } = ground;
    // The config may refer to the address: then it is read anew.
    const config = ip === unknownIp ? read : await configFor(options, ip);
    const { node } = config;
    const port = await portOf(node.listen, box);
    const findings = [...ground.findings];
    const site = { config, ip, output: options.output, stops, port, findings };
    if (node.kubernetes === false) return await runGraph(toComponents(config, []), site);
    const [binaries, machine] = await Promise.all([toolchain(options, node), lookAtMachine(containerd)]);
    await ground.attend(binaries);
    findings.push(snapshotterFinding(machine.snapshotter, data));
    const components = toComponents(config, kubernetesNode(factsOf(node, binaries, { ip, ...machine })));
    const { files, versions } = binaries;
    return await runGraph(components, {
      ...site,
      kubectl: files.kubectl,
      ctr: files.ctr,
      snapshotter: machine.snapshotter,
      versions,
    });
  } catch (error) {
    if (options.artifacts !== undefined)
      await keepReport(nodePaths(read.node.name, read.node.dataDir), options.artifacts);
    throw error;
  } finally {
    await ground.leave();
    stops.close();
  }
}
