import { firstAddress, serverHost } from '../../config/schema/addresses.ts';
import type { Dependency, Task } from '../../engine/component.ts';
import { localServer } from '../kubeconfig/clients.ts';
import type { NodeFacts } from '../facts.ts';
import { issueAll } from '../pki/issueAll.ts';

/** The certificates and the kubeconfigs that point at them. */
export function certificates(facts: NodeFacts, needs: readonly Dependency[]): Task {
  const { config, paths, ip } = facts;
  const host = serverHost(config.network.server ?? '');
  return {
    kind: 'task',
    name: 'pki',
    needs,
    run: async (signal, report) => {
      const order = {
        name: config.name,
        identity: {
          nodeName: config.nodeName,
          nodeIp: ip,
          serviceIp: firstAddress(config.network.serviceCidr),
          clusterDomain: config.network.clusterDomain,
          ...(host !== undefined && { extraSans: [host] }),
        },
        pkiDir: paths.pki,
        kubeconfigDir: paths.kubeconfigs,
        server: localServer(facts),
        // Loopback is another one on the other side of the node's namespaces.
        adminServer: `https://${ip}:${config.network.apiserverPort}`,
      };
      await issueAll(order, report, signal);
    },
  };
}
