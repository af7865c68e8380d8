import { http } from '../../../probes/kinds/http.ts';
import type { Dependency, Service } from '../../engine/component.ts';
import { kubeconfigOf } from '../kubeconfig/clients.ts';
import type { NodeFacts } from '../facts.ts';
import { flags } from './flags.ts';

const healthPort = 10256;
const metricsPort = 10249;

/** Makes the cluster IPs of Services answer. */
export function kubeProxy(facts: NodeFacts, needs: readonly Dependency[]): Service {
  const { config, programs, env, ip } = facts;
  const args = flags({
    // Its own address. Without it, it asks the API, and when the node is not registered yet asks again seconds later.
    'bind-address': ip,
    'cluster-cidr': config.network.podCidr,
    // The sysctl belongs to the machine, not to us, and is read-only in a container.
    'conntrack-max-per-core': 0,
    'conntrack-tcp-timeout-close-wait': '0s',
    'conntrack-tcp-timeout-established': '0s',
    'healthz-bind-address': `127.0.0.1:${healthPort}`,
    'hostname-override': config.nodeName,
    kubeconfig: kubeconfigOf(facts, 'kube-proxy'),
    'metrics-bind-address': `127.0.0.1:${metricsPort}`,
    'proxy-mode': 'iptables',
  });
  const healthy = http(`http://127.0.0.1:${healthPort}/healthz`);
  return {
    kind: 'service',
    name: 'kube-proxy',
    needs,
    command: { file: programs['kube-proxy'], args, env },
    ready: healthy,
    live: healthy,
    ports: [healthPort, metricsPort],
  };
}
