import { isIPv6 } from 'node:net';
import { at, listAt, textAt } from '../../../probes/transport/json.ts';
import { boundHolder } from '../../engine/supervise/ports.ts';
import { reasonOf } from '../../lib/errors.ts';
import { eventOn } from '../cluster/events.ts';
import { readNamed, readService } from '../cluster/objects.ts';
import type { Named, Service } from '../cluster/objects.ts';
import { reconcileOnChange } from '../cluster/reconcile.ts';
import type { Store } from '../cluster/store.ts';
import type { Change, Watches } from '../cluster/watches.ts';
import type { LoadBalancerOptions } from '../options.ts';

/** The class with which a Service asks for this load balancer, whatever others there are. */
const ownClass = 'k8s-single.local/node';
/** The field manager, by which addresses of ours are known: not those that another load balancer has written. */
const manager = 'k8s-single-load-balancer';

/**
 * Ports of the node that a pod has.
 * @internal exported for tests
 */
export interface HostPorts extends Named {
  /** As {@link portOf} writes them. Empty when the pod has ended. */
  readonly ports: readonly { readonly port: string; readonly hostIp: string }[];
}

/**
 * The API server as the load balancer uses it, and the node's sockets.
 * @internal exported for tests
 */
export interface BalancerApi {
  readonly services: Store<Service>;
  readonly pods: Store<HostPorts>;
  /** Rejects with a reason for a status that is not accepted. */
  readonly change: (change: Change, accepted: number[]) => Promise<void>;
  /** The process that has the port of these addresses, or of all. Undefined if it is free. */
  readonly listener: (
    protocol: string,
    port: number,
    addresses: readonly string[],
  ) => Promise<string | undefined>;
}

/**
 * Gives Services of type LoadBalancer the node's addresses until the signal aborts; kube-proxy does the rest. Everything is
 * decided by what the API server has: no state of its own.
 */
export function runLoadBalancer(options: LoadBalancerOptions, watches: Watches, signal: AbortSignal): void {
  const api: BalancerApi = {
    services: watches.store({ path: '/api/v1/services', read: readService }),
    pods: watches.store({ path: '/api/v1/pods', read: readHostPorts }),
    change: async (change, accepted) => watches.change(change, accepted),
    listener: boundHolder,
  };
  const own = new LoadBalancer(api, options);
  reconcileOnChange([api.services, api.pods], async () => own.reconcile(), signal);
}

/**
 * Reads what a pod takes of the node's ports.
 * @internal exported for tests
 */
export function readHostPorts(object: unknown): HostPorts {
  const hasEnded = ['Succeeded', 'Failed'].includes(textAt(object, 'status', 'phase'));
  const all = listAt(object, 'spec', 'containers').flatMap((container) => listAt(container, 'ports'));
  const ports = all.filter((port) => !hasEnded && at(port, 'hostPort') !== undefined);
  return {
    ...readNamed(object),
    ports: ports.map((port) => ({
      port: portOf(textAt(port, 'protocol') || 'TCP', Number(at(port, 'hostPort'))),
      hostIp: textAt(port, 'hostIP'),
    })),
  };
}

/** Such as `80/TCP`. */
function portOf(protocol: string, port: number): string {
  return `${port}/${protocol.toUpperCase()}`;
}

/** Who uses a port of the node. */
interface User {
  /** The Service that it belongs to, which does not disturb itself. */
  readonly service?: string;
  readonly name: string;
}

/** The users of ports, by {@link portOf}. */
type Users = Map<string, User[]>;

/**
 * Writes the node's addresses into the status of Services, and takes them away again.
 * @internal exported for tests
 */
export class LoadBalancer {
  readonly #api: BalancerApi;
  readonly #options: LoadBalancerOptions;
  /** What was said last of a Service, by its UID. */
  readonly #said = new Map<string, string>();

  constructor(api: BalancerApi, options: LoadBalancerOptions) {
    this.#api = api;
    this.#options = options;
  }

  /** Does what is to do now. Failures go to the log; a later call tries again. */
  async reconcile(): Promise<void> {
    const { services, pods } = this.#api;
    if (!services.isSynced || !pods.isSynced) return;
    const all = [...services.values()].sort(byRank);
    const others = this.#otherUsers(all);
    // Ports that must never be taken, and those of the Services before.
    const balanced: Users = new Map();
    for (const [port, name] of Object.entries(this.#options.ownPorts)) add(balanced, port, { name });
    for (const service of all) {
      await this.#balance(service, balanced, others).catch((error: unknown) => {
        if (this.#isNew(service, reasonOf(error)))
          console.error(`${nameOf(service)}: the load balancer failed: ${reasonOf(error)}`);
      });
    }
    const known = new Set(all.map(({ uid }) => uid));
    for (const uid of [...this.#said.keys()].filter((each) => !known.has(each))) this.#said.delete(uid);
  }

  async #balance(service: Service, balanced: Users, others: Users): Promise<void> {
    const { type, loadBalancer } = service;
    const { className, addresses, isDeleted } = loadBalancer;
    const name = nameOf(service);
    const isHeld = holdsAddress(service);
    if (type !== 'LoadBalancer' || !['', ownClass].includes(className)) {
      if (isHeld) await this.#setAddresses(service, []);
      this.#said.delete(service.uid);
      return;
    }
    const take = (): void => {
      for (const port of portsOf(service))
        add(balanced, port, { service: name, name: `the Service ${name}` });
    };
    const { addresses: own, isShared } = this.#options;
    const hasOwn = addresses.some((each) => own.includes(each));
    // Another load balancer is at work, or another node.
    if (addresses.length > 0 && (!isHeld || (isShared && !hasOwn))) {
      if (hasOwn) take();
      return;
    }
    if (isDeleted) return;
    const wanted = this.#addressesFor(service);
    // A Service that has its address keeps it, whatever comes later.
    const user = userOf(service, balanced) ?? (isHeld ? undefined : await this.#userOf(service, others));
    if (user !== undefined || wanted.length === 0) {
      if (isHeld) await this.#setAddresses(service, []);
      const message =
        user === undefined
          ? `the node has no address of the family ${service.ipFamilies.join(', ')}`
          : `${user}: the Service gets the node's address when the port is free`;
      await this.#report(service, 'Warning', user === undefined ? 'NoAddress' : 'PortInUse', message);
      return;
    }
    take();
    if (isHeld && addresses.join() === wanted.join()) return;
    await this.#setAddresses(service, wanted);
    await this.#report(service, 'Normal', 'LoadBalancerReady', `reachable at ${wanted.join(', ')}`);
  }

  #addressesFor({ ipFamilies }: Service): string[] {
    const { addresses } = this.#options;
    const isAsked = (ip: string): boolean => ipFamilies.includes(isIPv6(ip) ? 'IPv6' : 'IPv4');
    return addresses.filter((ip) => ipFamilies.length === 0 || isAsked(ip));
  }

  /** Why another Service, a pod or a program has a port of this Service; undefined if nothing has. */
  async #userOf(service: Service, others: Users): Promise<string | undefined> {
    const known = userOf(service, others);
    if (known !== undefined) return known;
    for (const { protocol, port, nodePort } of service.ports) {
      // Up to Kubernetes 1.25 kube-proxy listens at node ports itself.
      if (port === nodePort) continue;
      const holder = await this.#api.listener(protocol, port, this.#options.addresses);
      if (holder !== undefined) return usedBy(portOf(protocol, port), holder);
    }
    return undefined;
  }

  /** Users of ports beside load balancers: node ports, external IPs and host ports. */
  #otherUsers(services: readonly Service[]): Users {
    const users: Users = new Map();
    const isOwn = (ip: string): boolean => this.#options.addresses.includes(ip);
    for (const service of services) {
      const owner = nameOf(service);
      for (const { protocol, nodePort } of service.ports)
        if (nodePort !== 0)
          add(users, portOf(protocol, nodePort), {
            service: owner,
            name: `the node port of the Service ${owner}`,
          });
      if (!service.externalIps.some(isOwn)) continue;
      for (const port of portsOf(service))
        add(users, port, { service: owner, name: `the external IP of the Service ${owner}` });
    }
    for (const pod of this.#api.pods.values())
      for (const { port, hostIp } of pod.ports)
        if (['', '0.0.0.0', '::'].includes(hostIp) || isOwn(hostIp))
          add(users, port, { name: `the host port of the pod ${nameOf(pod)}` });
    return users;
  }

  async #setAddresses(service: Service, addresses: readonly string[]): Promise<void> {
    await this.#api.change(addressChange(service, addresses), [200, 404, 409]);
    console.error(`${nameOf(service)}: ${addresses.join(', ') || 'no address any more'}`);
  }

  /** An event on the Service, once for each message. */
  async #report(
    service: Service,
    type: 'Normal' | 'Warning',
    reason: string,
    message: string,
  ): Promise<void> {
    if (!this.#isNew(service, message)) return;
    if (type === 'Warning') console.error(`${nameOf(service)}: ${message}`);
    const said = { type, reason, message, source: ownClass };
    await this.#api.change(eventOn({ kind: 'Service', ...service }, said), [201]);
  }

  #isNew({ uid }: Service, message: string): boolean {
    const isNew = this.#said.get(uid) !== message;
    this.#said.set(uid, message);
    return isNew;
  }
}

/** Writes the addresses into the status of a Service. */
export function addressChange({ namespace, name, uid }: Service, addresses: readonly string[]) {
  const path = `/api/v1/namespaces/${namespace}/services/${name}/status?fieldManager=${manager}`;
  const ingress = addresses.length === 0 ? null : addresses.map((ip) => ({ ip }));
  // By the UID: not those of a later Service of the same name.
  const body = { metadata: { uid }, status: { loadBalancer: { ingress } } };
  return { method: 'PATCH', path, body, type: 'application/merge-patch+json' } as const satisfies Change;
}

/** Whether the addresses in the status of a Service are ours. */
export function holdsAddress({ loadBalancer: { addresses, managers } }: Service): boolean {
  return addresses.length > 0 && managers.includes(manager);
}

/** Services that have an address come first, then the older ones. */
function byRank(a: Service, b: Service): number {
  return rankOf(a) < rankOf(b) ? -1 : 1;
}

function rankOf(service: Service): string {
  return [holdsAddress(service) ? 0 : 1, service.loadBalancer.createdAt, nameOf(service)].join(' ');
}

function nameOf({ namespace, name }: Named): string {
  return `${namespace}/${name}`;
}

function portsOf({ ports }: Service): string[] {
  return ports.map(({ protocol, port }) => portOf(protocol, port));
}

function add(users: Users, port: string, user: User): void {
  users.set(port, [...(users.get(port) ?? []), user]);
}

/** Why a port of the Service is taken; undefined if none is. */
function userOf(service: Service, users: Users): string | undefined {
  for (const port of portsOf(service)) {
    const user = users.get(port)?.find((each) => each.service !== nameOf(service));
    if (user !== undefined) return usedBy(port, user.name);
  }
  return undefined;
}

function usedBy(port: string, user: string): string {
  return `port ${port} of the node is used by ${user}`;
}
