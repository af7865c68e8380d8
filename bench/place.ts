import type { UpOptions } from '../src/supervisor/options.ts';
import { loadNodeConfig } from '../src/supervisor/options.ts';
import { factsOf, unknownHost } from '../src/supervisor/nodeFacts.ts';
import { resolveBinaries } from '../src/supervisor/resolveBinaries.ts';
import type { HostCapabilities } from '../src/host/hostCapabilities.ts';
import type { NodeFacts } from '../src/kubernetes/facts.ts';
import { nodePaths, packageFile } from '../src/lib/paths.ts';

/** Every contestant brings up the node of this name, one after the other, so that paths and addresses are the same. */
export const nodeName = 'bench';

export const paths = nodePaths(nodeName);

/** The command as users have it. */
export const program = packageFile('bin/k8s-single');

/** What is left to the defaults: the node as users get it. */
export const options: UpOptions = { name: nodeName, install: false, source: 'auto', output: 'plain' };

/** What the components of the node at this address are made from; without a look at the machine, for looking alone. */
export async function factsAt(ip: string, machine: HostCapabilities = unknownHost): Promise<NodeFacts> {
  const { node } = await loadNodeConfig(options, ip);
  return factsOf(node, await resolveBinaries(options, node), { ...machine, ip });
}
