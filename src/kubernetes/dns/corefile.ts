import { dnsPort } from './dnsService.ts';
import { podRange } from '../join/joinable.ts';
import type { NodeFacts } from '../facts.ts';

/** What a Corefile of the user may refer to, as `{$DNS_PORT}`. */
export function corefileVariables(facts: NodeFacts, kubeconfig: string): Record<string, string> {
  return {
    DNS_ADDRESS: facts.ip,
    DNS_PORT: String(dnsPort),
    CLUSTER_DOMAIN: facts.config.network.clusterDomain,
    KUBECONFIG: kubeconfig,
  };
}

/** The Corefile without one of the user. It gives the answers of the embedded server. */
export function corefile(facts: NodeFacts, kubeconfig: string, upstreams: readonly string[]): string {
  const { config, ip } = facts;
  const { clusterDomain, serviceCidr } = config.network;
  const forward = upstreams.length === 0 ? '' : `    forward . ${upstreams.join(' ')}\n`;
  return `.:${dnsPort} {
    bind ${ip}
    errors
    # Only the cluster and the node itself: nobody else is amplified.
    acl {
        allow net ${podRange(facts)} ${serviceCidr} ${ip}/32 127.0.0.0/8
        block
    }
    kubernetes ${clusterDomain} in-addr.arpa ip6.arpa {
        kubeconfig ${kubeconfig}
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 5
    }
${forward}    cache 30
    loadbalance
}
`;
}
