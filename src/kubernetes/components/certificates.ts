import { firstAddress, serverHost } from '../../config/schema/addresses.ts';
import type { Command, Dependency, Service, Task } from '../../engine/component.ts';
import { localServer } from '../kubeconfig/clients.ts';
import type { NodeFacts } from '../facts.ts';
import { issueAll } from '../pki/issueAll.ts';

/** The certificates and the kubeconfigs that point at them. */
export function certificates(facts: NodeFacts, needs: readonly Dependency[]): Task {
  return {
    kind: 'task',
    name: 'pki',
    needs,
    run: async (signal, report) => issueCertificates(facts, report, signal),
  };
}

/** After this long, a start of a component checks the certificates again. In ms. */
const recheckMs = 60_000;

const never = new AbortController().signal;

/**
 * Returns a function that makes a command check the certificates before each start, unless that was done a moment ago: a restart
 * of a component renews what has expired while the node ran.
 */
export function renewing(facts: NodeFacts): (command: Service['command']) => () => Promise<Command> {
  let checkedAt = performance.now();
  return (command) => async () => {
    if (performance.now() - checkedAt > recheckMs) {
      checkedAt = performance.now();
      await issueCertificates(facts, () => undefined, never);
    }
    return typeof command === 'function' ? command() : command;
  };
}

async function issueCertificates(
  facts: NodeFacts,
  report: (reason: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const { config, paths, ip } = facts;
  const host = serverHost(config.network.server ?? '');
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
}
