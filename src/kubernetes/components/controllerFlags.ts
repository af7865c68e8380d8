import { http } from '../../../probes/kinds/http.ts';
import type { Probe } from '../../../probes/probe.ts';
import { kubeconfigOf } from '../kubeconfig/clients.ts';
import type { NodeFacts } from '../facts.ts';
import { pkiPaths } from '../pki/paths.ts';

interface Loop {
  /** Of its kubeconfig. */
  readonly user: string;
  /** Where it answers with TLS, the same since 1.12, and where without, up to 1.21. */
  readonly ports: { readonly tls: number; readonly plain: number };
}

/** How a control loop says how it is. */
interface Answers {
  readonly flags: Readonly<Record<string, string | number | boolean>>;
  readonly port: number;
  readonly look: (path: string) => Probe;
}

/** What the controller manager and the scheduler have in common: each is the only one of its kind. */
export function controllerFlags(facts: NodeFacts, { user, ports }: Loop): Answers {
  const kubeconfig = kubeconfigOf(facts, user);
  const { flags, ...answers } = facts.minor < 22 ? plain(ports.plain) : tls(facts, kubeconfig, ports.tls);
  return {
    ...answers,
    flags: {
      kubeconfig,
      // The default of 20 requests a second starts the controllers one by one, 150 ms apart.
      'kube-api-burst': 1000,
      'kube-api-qps': 500,
      // A single node gains nothing from it.
      'leader-elect': false,
      ...flags,
    },
  };
}

/** With TLS it first makes itself two RSA keys, for nobody but itself, and the first pod waits for both loops (bench/NOTES.md). */
function plain(port: number): Answers {
  return {
    flags: { address: '127.0.0.1', port, 'secure-port': 0 },
    port,
    look: (path) => http(`http://127.0.0.1:${port}/${path}`),
  };
}

function tls(facts: NodeFacts, kubeconfig: string, port: number): Answers {
  const pki = pkiPaths(facts.paths.pki);
  return {
    flags: {
      'authentication-kubeconfig': kubeconfig,
      'authorization-kubeconfig': kubeconfig,
      'bind-address': '127.0.0.1',
      'tls-cert-file': pki.controlLoop.cert,
      'tls-private-key-file': pki.controlLoop.key,
    },
    port,
    look: (path) => http(`https://127.0.0.1:${port}/${path}`, { ca: pki.ca.cert }),
  };
}
