import { http } from '../../../probes/kinds/http.ts';
import type { Probe } from '../../../probes/probe.ts';
import { kubeconfigPaths } from '../kubeconfig/clients.ts';
import type { NodeFacts } from '../facts.ts';
import { cipherSuites } from './flags.ts';
import { pkiPaths } from '../pki/paths.ts';

interface Endpoint {
  readonly flags: Readonly<Record<string, string | number | boolean>>;
  readonly port: number;
  /** Probes a health path, such as `healthz`. */
  readonly health: (path: string) => Probe;
}

/** The flags and the health endpoint that kube-controller-manager and kube-scheduler have in common. */
export function controllerFlags(
  facts: NodeFacts,
  name: 'controllerManager' | 'scheduler',
  port: number,
): Endpoint {
  const kubeconfig = kubeconfigPaths(facts.paths.kubeconfigs)[name];
  const { controllers } = facts.differences.kubernetes;
  const { flags, ...endpoint } = controllers.tls ? tls(facts, kubeconfig, port) : plain(port);
  return {
    ...endpoint,
    flags: {
      kubeconfig,
      // With the default of 20 requests per second the controllers start one by one, 150 ms apart.
      'kube-api-burst': 1000,
      'kube-api-qps': 500,
      // There is only one of each, unless nodes share an etcd.
      'leader-elect': facts.config.etcd.endpoints !== undefined,
      profiling: false,
      ...flags,
    },
  };
}

/**
 * With TLS each first generates two RSA keys for itself, and the first pod waits for both (bench/NOTES.md).
 */
function plain(port: number): Endpoint {
  return {
    flags: { address: '127.0.0.1', port, 'secure-port': 0 },
    port,
    health: (path) => http(`http://127.0.0.1:${port}/${path}`),
  };
}

function tls(facts: NodeFacts, kubeconfig: string, port: number): Endpoint {
  const pki = pkiPaths(facts.paths.pki);
  return {
    flags: {
      'authentication-kubeconfig': kubeconfig,
      'authorization-kubeconfig': kubeconfig,
      'bind-address': '127.0.0.1',
      'tls-cert-file': pki.controlLoop.cert,
      'tls-cipher-suites': cipherSuites.join(','),
      'tls-private-key-file': pki.controlLoop.key,
    },
    port,
    health: (path) => http(`https://127.0.0.1:${port}/${path}`, { ca: pki.ca.cert }),
  };
}
