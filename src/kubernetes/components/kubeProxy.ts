import { http } from '../../../probes/kinds/http.ts';
import { refuseUnknownServices } from '../../host/serviceRoute.ts';
import type { Dependency, Service } from '../../engine/component.ts';
import { kubeconfigPaths } from '../kubeconfig/clients.ts';
import { nodeProgram } from '../environment.ts';
import type { NodeFacts } from '../facts.ts';
import { flags } from './flags.ts';

const healthPort = 10256;
const metricsPort = 10249;

/** kube-proxy: routes the cluster IPs and node ports of Services. Undefined when the config has another one do that. */
export function kubeProxy(facts: NodeFacts, needs: readonly Dependency[]): Service | undefined {
  const { config, paths, ip, isSandboxed, programs } = facts;
  if (!config.features.kubeProxy) return undefined;
  const args = flags({
    // Without it kube-proxy gets the node's address from the API, and retries only seconds later if the node
    // is not registered yet.
    'bind-address': ip,
    'cluster-cidr': config.network.podCidr,
    // 0 leaves the conntrack sysctls alone: they belong to the host and are read-only in a container.
    'conntrack-max-per-core': 0,
    'conntrack-tcp-timeout-close-wait': '0s',
    'conntrack-tcp-timeout-established': '0s',
    'healthz-bind-address': `127.0.0.1:${healthPort}`,
    'hostname-override': config.nodeName,
    kubeconfig: kubeconfigPaths(paths.kubeconfigs).proxy,
    'metrics-bind-address': `127.0.0.1:${metricsPort}`,
    'proxy-mode': 'iptables',
  });
  const places = { run: paths.run, serviceCidr: config.network.serviceCidr };
  let refused: Promise<void> | undefined;
  const command = async () => {
    // The rules stay when kube-proxy is started again. Outside of a sandbox the chains belong to the machine.
    if (isSandboxed) await (refused ??= refuseUnknownServices(programs['iptables-restore'], places));
    return nodeProgram(facts, 'kube-proxy', args);
  };
  const healthy = http(`http://127.0.0.1:${healthPort}/healthz`);
  return {
    kind: 'service',
    name: 'kube-proxy',
    needs,
    command,
    ready: healthy,
    live: healthy,
    ports: [healthPort, metricsPort],
  };
}
