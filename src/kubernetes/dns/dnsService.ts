import { apiObject } from '../../../probes/kinds/api.ts';
import type { Api } from '../../../probes/kinds/api.ts';
import { PermanentFailure } from '../../../probes/probe.ts';
import type { Probe } from '../../../probes/probe.ts';
import { at, listAt, textAt } from '../../../probes/transport/json.ts';
import { ownLabel, ownLabels } from '../../helper/cluster/objects.ts';
import { reasonOf } from '../../lib/errors.ts';
import { apply, remove } from '../components/bootstrapSteps.ts';
import { grantRights, withdrawAll } from '../components/rights.ts';
import { adminAccess } from '../kubeconfig/clients.ts';
import type { NodeFacts } from '../facts.ts';
import { helperUser } from '../pki/leaves.ts';

// What the cluster has of its DNS: the Service kube-dns in front of a server that is no pod, and the rights of that server.

/** The server's port. Not 53, which with --host may be taken; the Service has 53. */
export const dnsPort = 10_053;

/** The name of the role and its binding. The standard manifest of CoreDNS has `system:coredns` for its own ServiceAccount. */
const roleName = 'k8s-single:dns';
/** What the ClusterRole `system:coredns` of the standard manifest allows, for whoever serves DNS, and to know who may ask. */
const rules = [
  { apiGroups: [''], resources: ['nodes'], verbs: ['list', 'watch'] },
  { apiGroups: [''], resources: ['endpoints', 'namespaces', 'pods', 'services'], verbs: ['list', 'watch'] },
  { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
];
const users = ['system:coredns', helperUser];

const servicePath = '/api/v1/namespaces/kube-system/services/kube-dns';

/**
 * Makes the Service `kube-dns` with the address from the config, its one endpoint, and the rights of the server. With
 * `yields`, a Service of somebody else's DNS is left alone, and ours is taken out of it; else it is a failure.
 */
export function publishDns(facts: NodeFacts, { yields }: { readonly yields: boolean }): Probe {
  const access = adminAccess(facts);
  const { dnsIp } = facts.config.network;
  return async (signal) => {
    await grantRights(facts, roleName, rules, users)(signal);
    const service = await findService(access)(signal);
    if (service !== undefined && !isOurs(service)) {
      if (!yields) throw new PermanentFailure(foreign);
      await remove(access, slicePath(facts))(signal);
      return;
    }
    // The address of a Service cannot be changed.
    if (service !== undefined && textAt(service, 'spec', 'clusterIP') !== dnsIp)
      await remove(access, servicePath)(signal);
    await apply(
      access,
      servicePath,
      serviceObject(dnsIp),
    )(signal).catch(async (error: unknown) => {
      throw (await whoHas(dnsIp, access, error, signal)) ?? error;
    });
    await apply(access, slicePath(facts), endpointSlice(facts))(signal);
  };
}

/** The failure if another Service has the address. */
async function whoHas(
  dnsIp: string,
  access: Api,
  error: unknown,
  signal: AbortSignal,
): Promise<PermanentFailure | undefined> {
  if (!reasonOf(error).includes('already allocated')) return undefined;
  const list = await apiObject(access, '/api/v1/services', 'no Services')(signal);
  const holder = listAt(list, 'items').find((service) => textAt(service, 'spec', 'clusterIP') === dnsIp);
  const name = ['namespace', 'name'].map((key) => textAt(holder, 'metadata', key)).join('/');
  return new PermanentFailure(
    `the cluster IP of DNS, ${dnsIp}, belongs to the Service ${name}: remove that one, or set network.dnsIp to another address`,
  );
}

const foreign =
  'kube-system has a Service kube-dns of another DNS: set "dns: none" to keep that one, or remove it with "kubectl delete --namespace kube-system service/kube-dns"';

/** Removes what {@link publishDns} has made. */
export function withdrawDns(facts: NodeFacts): Probe {
  const access = adminAccess(facts);
  return async (signal) => {
    const service = await findService(access)(signal);
    const own = service !== undefined && isOurs(service) ? [servicePath] : [];
    await withdrawAll(facts, [...own, slicePath(facts)], roleName)(signal);
  };
}

/** Whether the Service is still as we made it. A selector comes from a manifest of another DNS. */
function isOurs(service: unknown): boolean {
  const hasLabel = textAt(service, 'metadata', 'labels', ownLabel.name) === ownLabel.value;
  return hasLabel && at(service, 'spec', 'selector') === undefined;
}

/** The Service; undefined if there is none. */
function findService(access: Api): (signal: AbortSignal) => Promise<unknown> {
  const missing = 'there is no Service kube-dns';
  const get = apiObject(access, servicePath, missing);
  return async (signal) =>
    get(signal).catch((error: unknown) => {
      if (error instanceof Error && error.message === missing) return undefined;
      throw error;
    });
}

/** The ports have the same names in the Service and in its endpoints. */
function ports(numbers: object): object[] {
  return [
    { name: 'dns', protocol: 'UDP', ...numbers },
    { name: 'dns-tcp', protocol: 'TCP', ...numbers },
  ];
}

function serviceObject(clusterIP: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: 'kube-dns',
      namespace: 'kube-system',
      labels: {
        ...ownLabels,
        // By these, kubectl cluster-info and others find the cluster's DNS.
        'k8s-app': 'kube-dns',
        'kubernetes.io/cluster-service': 'true',
        'kubernetes.io/name': 'CoreDNS',
      },
    },
    spec: { clusterIP, ports: ports({ port: 53, targetPort: dnsPort }) },
  };
}

function slicePath(facts: NodeFacts): string {
  const slices = `/apis/discovery.k8s.io/${facts.differences.kubernetes.discovery}/namespaces/kube-system/endpointslices`;
  return `${slices}/${sliceName(facts)}`;
}

/** Nodes that share an etcd have one each. */
function sliceName({ config }: NodeFacts): string {
  return config.etcd.endpoints === undefined ? 'kube-dns' : `kube-dns-${config.nodeName}`;
}

/** Without a selector, no controller makes the endpoints: they are ours. */
function endpointSlice(facts: NodeFacts): object {
  return {
    apiVersion: `discovery.k8s.io/${facts.differences.kubernetes.discovery}`,
    kind: 'EndpointSlice',
    metadata: {
      name: sliceName(facts),
      namespace: 'kube-system',
      labels: {
        ...ownLabels,
        'kubernetes.io/service-name': 'kube-dns',
        'endpointslice.kubernetes.io/managed-by': 'k8s-single',
      },
    },
    addressType: 'IPv4',
    endpoints: [{ addresses: [facts.ip], conditions: { ready: true } }],
    ports: ports({ port: dnsPort }),
  };
}
