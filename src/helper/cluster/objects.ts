import { at, listAt, textAt } from '../../../probes/transport/json.ts';

// The parts of Kubernetes objects that are kept in memory, from the JSON of the API.

/** Marks objects as the node's own: only those are changed and removed. */
export const ownLabel = { name: 'app.kubernetes.io/managed-by', value: 'k8s-single' } as const;
export const ownLabels = { [ownLabel.name]: ownLabel.value };

export interface Named {
  readonly namespace: string;
  readonly name: string;
}

/** A port of a Service or an endpoint. */
export interface Port {
  /** Empty if it has none. */
  readonly name: string;
  /** `tcp`, `udp` or `sctp`. */
  readonly protocol: string;
  readonly port: number;
}

/** A port of a Service. */
interface ServicePort extends Port {
  /** 0 if it has none. */
  readonly nodePort: number;
}

export interface Service extends Named {
  readonly uid: string;
  /** Such as `ClusterIP` or `LoadBalancer`. */
  readonly type: string;
  /** Set for the type ExternalName. */
  readonly externalName: string | undefined;
  /** IPv4 and IPv6; empty if it is headless. */
  readonly clusterIps: readonly string[];
  readonly externalIps: readonly string[];
  /** `IPv4` and `IPv6`; empty up to Kubernetes 1.19. */
  readonly ipFamilies: readonly string[];
  readonly ports: readonly ServicePort[];
  readonly loadBalancer: BalancerState;
}

/** What a Service says of its load balancer. */
interface BalancerState {
  /** Whose load balancer it asks for; empty: the cluster's. */
  readonly className: string;
  /** The addresses in the status. */
  readonly addresses: readonly string[];
  /** Who wrote these addresses: the names of field managers. */
  readonly managers: readonly string[];
  /** When the Service was made, in ISO 8601. */
  readonly createdAt: string;
  /** Whether it is being deleted. */
  readonly isDeleted: boolean;
}

/** A pod or something else behind a Service. */
export interface Endpoint {
  readonly addresses: readonly string[];
  /** The pod's `hostname`, if its `subdomain` is the Service. */
  readonly hostname: string | undefined;
}

/** The endpoints that take traffic: ready ones, and all of a Service with `publishNotReadyAddresses`. */
export interface EndpointSlice extends Named {
  /** The name of the Service. */
  readonly service: string;
  readonly endpoints: readonly Endpoint[];
  readonly ports: readonly Port[];
}

export function readNamed(object: unknown): Named {
  return { namespace: textAt(object, 'metadata', 'namespace'), name: textAt(object, 'metadata', 'name') };
}

export function readService(object: unknown): Service {
  const spec = at(object, 'spec');
  // `clusterIPs` exists since 1.20.
  const ips = [textAt(spec, 'clusterIP'), ...listAt(spec, 'clusterIPs').map(String)];
  return {
    ...readNamed(object),
    uid: textAt(object, 'metadata', 'uid'),
    type: textAt(spec, 'type'),
    externalName: textAt(spec, 'type') === 'ExternalName' ? textAt(spec, 'externalName') : undefined,
    clusterIps: [...new Set(ips)].filter((ip) => ip !== '' && ip !== 'None'),
    externalIps: listAt(spec, 'externalIPs').map(String),
    ipFamilies: listAt(spec, 'ipFamilies').map(String),
    ports: listAt(spec, 'ports').map(readServicePort),
    loadBalancer: readBalancerState(object),
  };
}

function readBalancerState(object: unknown): BalancerState {
  const metadata = at(object, 'metadata');
  const fields = ['fieldsV1', 'f:status', 'f:loadBalancer', 'f:ingress'];
  const writers = listAt(metadata, 'managedFields').filter((each) => at(each, ...fields) !== undefined);
  return {
    className: textAt(object, 'spec', 'loadBalancerClass'),
    addresses: listAt(object, 'status', 'loadBalancer', 'ingress').map(
      (each) => textAt(each, 'ip') || textAt(each, 'hostname'),
    ),
    managers: writers.map((each) => textAt(each, 'manager')),
    createdAt: textAt(metadata, 'creationTimestamp'),
    isDeleted: at(metadata, 'deletionTimestamp') !== undefined,
  };
}

/** Reads discovery.k8s.io/v1 and v1beta1. */
export function readEndpointSlice(object: unknown): EndpointSlice {
  const isOfAddresses = textAt(object, 'addressType') !== 'FQDN';
  const endpoints = listAt(object, 'endpoints').filter(
    // Unknown counts as ready.
    (endpoint) => isOfAddresses && at(endpoint, 'conditions', 'ready') !== false,
  );
  return {
    ...readNamed(object),
    service: textAt(object, 'metadata', 'labels', 'kubernetes.io/service-name'),
    endpoints: endpoints.map((endpoint) => ({
      addresses: listAt(endpoint, 'addresses').map(String),
      hostname: textAt(endpoint, 'hostname') || undefined,
    })),
    ports: listAt(object, 'ports').map(readPort),
  };
}

function readServicePort(port: unknown): ServicePort {
  return { ...readPort(port), nodePort: Number(at(port, 'nodePort') ?? 0) };
}

function readPort(port: unknown): Port {
  return {
    name: textAt(port, 'name'),
    protocol: (textAt(port, 'protocol') || 'TCP').toLowerCase(),
    port: Number(at(port, 'port') ?? 0),
  };
}
