import { delimiter, dirname } from 'node:path';
import type { NodeConfig } from '../../config/schema/node.ts';
import type { NodeFile } from '../../instance/nodeFile.ts';
import { nodeAddresses } from '../../kubernetes/environment.ts';
import { proxyEnv } from '../../lib/proxyEnv.ts';

/** The environment in which the command finds the node. */
export function environmentOf(
  { name, ip, kubeconfig = '', kubectl = '' }: NodeFile,
  config: NodeConfig,
): NodeJS.ProcessEnv {
  return {
    ...proxyEnv(process.env, nodeAddresses(config, ip)),
    KUBECONFIG: kubeconfig,
    K8S_SINGLE_NAME: name,
    PATH: [dirname(kubectl), process.env['PATH']].filter(Boolean).join(delimiter),
  };
}
