import { isIP, isIPv4 } from 'node:net';
import type { Endpoint, EndpointSlice, Named, Port, Service } from '../cluster/objects.ts';
import type { Store } from '../cluster/store.ts';
import { emptyReply, rcodes } from './message.ts';
import type { Question, Reply, ResourceRecord } from './message.ts';

/** The cluster's objects from which the records are made. */
export interface ClusterObjects {
  readonly namespaces: Pick<Store<Named>, 'get' | 'isSynced'>;
  readonly services: Pick<Store<Service>, 'get' | 'values' | 'isSynced'>;
  readonly slices: Pick<Store<EndpointSlice>, 'values' | 'isSynced'>;
}

export interface ZoneOptions {
  /** Such as `cluster.local`. */
  readonly domain: string;
  /** The cluster IP of the DNS Service. */
  readonly dnsIp: string;
  /** Whether an address belongs to the cluster, so that no upstream server knows its name. */
  readonly isClusterAddress: (ip: string) => boolean;
}

/** In seconds, of all records: as CoreDNS has it without `ttl`. Clients see a change after this time. */
const ttl = 5;

/** The version of the specification: https://github.com/kubernetes/dns/blob/master/docs/specification.md */
const specification = '1.1.0';

/** The names in the zone that exist without records of a type. */
type Found = readonly ResourceRecord[] | 'noSuchName';

/**
 * The records of a cluster by the Kubernetes DNS specification 1.1. Where it leaves a choice, the answers are those of
 * CoreDNS with `pods insecure`: endpoints without a hostname are called by their address (`10-244-0-7`), endpoints of a
 * Service with a cluster IP have names, too, and SRV also answers for a name without port.
 */
export class Zone {
  readonly #cluster: ClusterObjects;
  readonly #options: ZoneOptions;

  constructor(cluster: ClusterObjects, options: ZoneOptions) {
    this.#cluster = cluster;
    this.#options = options;
  }

  /** Whether the cluster's objects have been read. */
  get isReady(): boolean {
    const { namespaces, services, slices } = this.#cluster;
    return namespaces.isSynced && services.isSynced && slices.isSynced;
  }

  /** Whether the name is below the cluster's domain. */
  isInDomain(name: string): boolean {
    return `.${name.toLowerCase()}`.endsWith(`.${this.#options.domain}`);
  }

  /**
   * The answer to a question for a name of the cluster; undefined for any other name. The answer to the name of an
   * ExternalName Service is its CNAME alone.
   */
  answer({ name, type }: Question): Reply | undefined {
    const lower = name.toLowerCase();
    const { domain } = this.#options;
    if (lower === domain) return this.#reply(this.#apex(name), type, domain);
    if (lower.endsWith(`.${domain}`)) {
      const labels = lower.slice(0, -domain.length - 1).split('.');
      return this.#reply(this.#find(name, type, labels.toReversed()), type, domain);
    }
    const ip = addressOf(lower);
    return ip === undefined ? undefined : this.#reverse(name, type, ip);
  }

  #reply(found: Found, type: string, zone: string): Reply {
    const soa: ResourceRecord = { name: zone, type: 'SOA', ttl, data: this.#soa() };
    const nothing = { ...emptyReply(rcodes.noError), authoritative: true, authorities: [soa] };
    if (found === 'noSuchName') return { ...nothing, rcode: rcodes.nameError };
    const answers = found.filter((record) => record.type === type || record.type === 'CNAME');
    if (answers.length === 0) return nothing;
    const targets = answers.flatMap((record) => (record.type === 'SRV' ? [record.data.target] : []));
    const additionals = [...new Set(targets)].flatMap((target) => this.#addresses(target));
    return { ...emptyReply(rcodes.noError), authoritative: true, answers: shuffled(answers), additionals };
  }

  #soa() {
    const { domain } = this.#options;
    return {
      mname: `ns.dns.${domain}`,
      rname: `hostmaster.${domain}`,
      serial: Math.floor(Date.now() / 1000),
      refresh: 7200,
      retry: 1800,
      expire: 86_400,
      // How long a client may remember that there is no such name (RFC 2308).
      minimum: ttl,
    };
  }

  #apex(name: string): Found {
    const { domain } = this.#options;
    return [
      { name, type: 'SOA', ttl, data: this.#soa() },
      { name, type: 'NS', ttl, data: `ns.dns.${domain}` },
    ];
  }

  /** `labels`: those before the domain, the last one first. */
  #find(name: string, type: string, labels: readonly string[]): Found {
    const [kind = '', ...rest] = labels;
    if (kind === 'svc') return this.#inServices(name, type, rest);
    if (kind === 'pod') return this.#inPods(name, rest);
    if (kind === 'dns-version' && rest.length === 0) return [{ name, type: 'TXT', ttl, data: specification }];
    if (kind === 'dns' && rest.length === 0) return [];
    if (kind === 'dns' && rest.length === 1 && rest[0] === 'ns')
      return addressRecords(name, [this.#options.dnsIp]);
    return 'noSuchName';
  }

  #inServices(name: string, type: string, [namespace, service, ...rest]: readonly string[]): Found {
    if (namespace === undefined) return [];
    if (this.#cluster.namespaces.get('', namespace) === undefined) return 'noSuchName';
    if (service === undefined) return [];
    const found = this.#cluster.services.get(namespace, service);
    if (found === undefined) return 'noSuchName';
    if (rest.length === 0) return this.#ofService(name, type, found);
    if (found.externalName !== undefined) return 'noSuchName';
    if (rest.length === 1) return this.#belowService(name, type, found, rest[0]!);
    return rest.length === 2 ? this.#ofPort(name, found, rest[0]!, rest[1]!) : 'noSuchName';
  }

  #ofService(name: string, type: string, service: Service): Found {
    const { externalName, clusterIps } = service;
    if (externalName !== undefined) {
      // An address is no name, and a CNAME needs one.
      return isIP(externalName) === 0
        ? [{ name, type: 'CNAME', ttl, data: externalName.replace(/\.$/, '') }]
        : [];
    }
    if (type === 'SRV') return this.#srv(name, service, () => true);
    if (clusterIps.length > 0) return addressRecords(name, clusterIps);
    const addresses = this.#endpoints(service).flatMap((endpoint) => endpoint.addresses);
    // By the specification, 2.4.1.
    return addresses.length === 0 ? 'noSuchName' : addressRecords(name, addresses);
  }

  /** `NAME.service`: an endpoint; or `_tcp.service`, which exists because of the ports below it. */
  #belowService(name: string, type: string, service: Service, label: string): Found {
    const endpoints = this.#endpoints(service).filter((endpoint) => labelsOf(endpoint).includes(label));
    if (endpoints.length > 0) {
      if (type === 'SRV') return this.#srv(name, service, () => true, label);
      return addressRecords(
        name,
        endpoints.flatMap((endpoint) => addressesOf(endpoint, label)),
      );
    }
    const hasPorts = this.#ports(service).some((port) => port.name !== '' && label === `_${port.protocol}`);
    return hasPorts ? [] : 'noSuchName';
  }

  #ofPort(name: string, service: Service, protocol: string, portName: string): Found {
    const isAsked = (port: Port): boolean => `_${port.name}` === portName && `_${port.protocol}` === protocol;
    if (!this.#ports(service).some((port) => port.name !== '' && isAsked(port))) return 'noSuchName';
    return this.#srv(name, service, isAsked);
  }

  /** SRV records of the ports, with an equal weight for each. */
  #srv(name: string, service: Service, isAsked: (port: Port) => boolean, only?: string): ResourceRecord[] {
    const fullName = this.#nameOf(service);
    const all =
      service.clusterIps.length > 0 && only === undefined
        ? service.ports.filter(isAsked).map(({ port }) => ({ port, target: fullName }))
        : this.#slices(service).flatMap(({ endpoints, ports }) =>
            endpoints.flatMap((endpoint) =>
              labelsOf(endpoint)
                .filter((label) => only === undefined || label === only)
                .flatMap((label) =>
                  ports.filter(isAsked).map(({ port }) => ({ port, target: `${label}.${fullName}` })),
                ),
            ),
          );
    const targets = [...new Map(all.map((each) => [`${each.port} ${each.target}`, each])).values()];
    const weight = Math.max(1, Math.floor(100 / Math.max(1, targets.length)));
    return targets.map((target) => ({ name, type: 'SRV', ttl, data: { priority: 0, weight, ...target } }));
  }

  /** The A and AAAA records of a name in the zone. */
  #addresses(target: string): readonly ResourceRecord[] {
    const labels = target.slice(0, -this.#options.domain.length - 1).split('.');
    const found = this.#find(target, 'A', labels.toReversed());
    return found === 'noSuchName' ? [] : found;
  }

  #inPods(name: string, [namespace, pod, ...rest]: readonly string[]): Found {
    if (namespace === undefined) return [];
    if (this.#cluster.namespaces.get('', namespace) === undefined) return 'noSuchName';
    if (pod === undefined) return [];
    const isV4 = /^\d+-\d+-\d+-\d+$/.test(pod);
    const ip = pod.replaceAll('-', isV4 ? '.' : ':');
    return rest.length > 0 || isIP(ip) === 0 ? 'noSuchName' : addressRecords(name, [ip]);
  }

  #reverse(name: string, type: string, ip: string): Reply | undefined {
    const names = this.#namesOf(ip);
    if (names.length === 0 && !this.#options.isClusterAddress(ip)) return undefined;
    const zone = isIPv4(ip) ? 'in-addr.arpa' : 'ip6.arpa';
    if (names.length === 0) return this.#reply('noSuchName', type, zone);
    return this.#reply(
      names.map((data) => ({ name, type: 'PTR', ttl, data })),
      type,
      zone,
    );
  }

  #namesOf(ip: string): string[] {
    for (const service of this.#cluster.services.values()) {
      if (service.clusterIps.some((clusterIp) => isSameAddress(clusterIp, ip)))
        return [this.#nameOf(service)];
    }
    const names = new Set<string>();
    for (const { namespace, service, endpoints } of this.#cluster.slices.values()) {
      if (this.#cluster.services.get(namespace, service) === undefined) continue;
      for (const endpoint of endpoints)
        for (const address of endpoint.addresses)
          if (isSameAddress(address, ip))
            names.add(
              `${endpoint.hostname ?? labelOf(address)}.${this.#nameOf({ namespace, name: service })}`,
            );
    }
    return [...names];
  }

  #nameOf({ namespace, name }: Named): string {
    return `${name}.${namespace}.svc.${this.#options.domain}`;
  }

  #slices({ namespace, name }: Named): EndpointSlice[] {
    return [...this.#cluster.slices.values()].filter(
      (slice) => slice.service === name && slice.namespace === namespace,
    );
  }

  #endpoints(service: Named): Endpoint[] {
    return this.#slices(service).flatMap(({ endpoints }) => endpoints);
  }

  /** The ports of the Service; for a headless one also those that its endpoints add. */
  #ports(service: Service): readonly Port[] {
    return service.clusterIps.length > 0
      ? service.ports
      : [...service.ports, ...this.#slices(service).flatMap(({ ports }) => ports)];
  }
}

/** The labels under which an endpoint is found below its Service. */
function labelsOf({ hostname, addresses }: Endpoint): string[] {
  return hostname === undefined ? addresses.map(labelOf) : [hostname];
}

/** The addresses of an endpoint under one of its labels. */
function addressesOf({ hostname, addresses }: Endpoint, label: string): readonly string[] {
  return hostname === undefined ? addresses.filter((address) => labelOf(address) === label) : addresses;
}

/** `10-244-0-7` for 10.244.0.7. */
function labelOf(address: string): string {
  return address.replaceAll(/[.:]/g, '-').toLowerCase();
}

function addressRecords(name: string, addresses: readonly string[]): ResourceRecord[] {
  return [...new Set(addresses)].map((data) => ({ name, type: isIPv4(data) ? 'A' : 'AAAA', ttl, data }));
}

/** The address in a name like `7.0.244.10.in-addr.arpa`; undefined for any other. */
function addressOf(name: string): string | undefined {
  const v4 = /^((?:\d{1,3}\.){4})in-addr\.arpa$/.exec(name)?.[1];
  if (v4 !== undefined) {
    const ip = v4.slice(0, -1).split('.').toReversed().join('.');
    return isIPv4(ip) ? ip : undefined;
  }
  const v6 = /^((?:[\da-f]\.){32})ip6\.arpa$/.exec(name)?.[1];
  if (v6 === undefined) return undefined;
  const digits = v6.replaceAll('.', '').split('').toReversed().join('');
  return digits.match(/.{4}/g)!.join(':');
}

function isSameAddress(a: string, b: string): boolean {
  return a === b || (a.includes(':') && b.includes(':') && canonical(a) === canonical(b));
}

/** IPv6 in one spelling. */
function canonical(ip: string): string {
  return new URL(`http://[${ip}]`).hostname;
}

/** In random order, so that clients that take the first one take each of them equally often. */
function shuffled(records: readonly ResourceRecord[]): ResourceRecord[] {
  const order = [...records];
  for (let last = order.length - 1; last > 0; last--) {
    const other = Math.floor(Math.random() * (last + 1));
    [order[last], order[other]] = [order[other]!, order[last]!];
  }
  return order;
}
