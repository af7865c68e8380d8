import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { boundHolder } from '../../src/engine/supervise/ports.ts';
import { readService } from '../../src/helper/cluster/objects.ts';
import type { Service } from '../../src/helper/cluster/objects.ts';
import { Store } from '../../src/helper/cluster/store.ts';
import type { Change } from '../../src/helper/cluster/watches.ts';
import { LoadBalancer, readHostPorts } from '../../src/helper/loadBalancer/loadBalancer.ts';
import type { HostPorts } from '../../src/helper/loadBalancer/loadBalancer.ts';

const node = '172.30.7.2';
const ours = [
  {
    manager: 'k8s-single-load-balancer',
    fieldsV1: { 'f:status': { 'f:loadBalancer': { 'f:ingress': {} } } },
  },
];

interface Parts {
  readonly spec?: object;
  readonly ip?: string;
  readonly managedFields?: object[];
  readonly metadata?: object;
  readonly ports?: object[];
}

function service(name: string, { spec, ip, managedFields, metadata, ports }: Parts = {}): object {
  const creationTimestamp = '2026-11-28T12:00:00Z';
  return {
    metadata: { namespace: 'shop', name, uid: `uid-${name}`, creationTimestamp, managedFields, ...metadata },
    spec: {
      type: 'LoadBalancer',
      ipFamilies: ['IPv4'],
      ports: ports ?? [{ port: 80, protocol: 'TCP', nodePort: 30_080 }],
      ...spec,
    },
    status: { loadBalancer: ip === undefined ? {} : { ingress: [{ ip }] } },
  };
}

function pod(port: object, phase = 'Running'): object {
  return {
    metadata: { namespace: 'shop', name: 'proxy' },
    spec: { containers: [{ name: 'main', ports: [port] }] },
    status: { phase },
  };
}

/** A cluster with these objects, whose statuses follow the changes as in the API server. */
class Cluster {
  readonly #services = new Store<Service>();
  readonly #pods = new Store<HostPorts>();
  readonly #objects = new Map<string, object>();
  readonly #balancer: LoadBalancer;
  readonly changes: Change[] = [];
  listener: string | undefined;

  constructor(services: object[], pods: object[] = [], addresses = [node], isShared = false) {
    const api = {
      services: this.#services,
      pods: this.#pods,
      change: async (each: Change) => this.#apply(each),
      listener: async () => this.listener,
    };
    const ownPorts = { '6443/TCP': 'the API server' };
    this.#balancer = new LoadBalancer(api, { addresses, ownPorts, isShared });
    this.#pods.replace(pods.map(readHostPorts));
    this.#services.replace([]);
    for (const each of services) this.set(each);
  }

  set(object: object): void {
    const read = readService(object);
    this.#objects.set(read.name, object);
    this.#services.set(read);
  }

  delete(name: string): void {
    this.#services.delete({ namespace: 'shop', name });
  }

  #apply(change: Change): void {
    this.changes.push(change);
    const [, name] = /services\/([^/]+)\/status/.exec(change.path) ?? [];
    if (name === undefined) return;
    const { ingress } = (change.body as { status: { loadBalancer: { ingress: { ip: string }[] | null } } })
      .status.loadBalancer;
    const object = this.#objects.get(name) as ReturnType<typeof service> & { metadata: object };
    const metadata = { ...object.metadata, managedFields: ingress === null ? [] : ours };
    this.set({ ...object, metadata, status: { loadBalancer: { ingress: ingress ?? [] } } });
  }

  /** Reconciles, twice as nothing must be said or done again. Returns the addresses and the events: `reason: message`. */
  async run(): Promise<{ readonly addresses: Record<string, string>; readonly events: string[] }> {
    this.changes.splice(0);
    await this.#balancer.reconcile();
    const count = this.changes.length;
    await this.#balancer.reconcile();
    expect(this.changes.slice(count)).toEqual([]);
    const events = this.changes.flatMap(({ body }) => {
      const { reason, message } = body as { reason?: string; message?: string };
      return reason === undefined ? [] : [`${reason}: ${message}`];
    });
    const all = [...this.#services.values()].map(
      ({ name, loadBalancer }) => [name, loadBalancer.addresses.join()] as const,
    );
    return { addresses: Object.fromEntries(all), events };
  }
}

const waits = (user: string): string =>
  `PortInUse: port 80/TCP of the node is used by ${user}: the Service gets the node's address when the port is free`;

it('a Service gets the address of the node, by its UID, and an event', async () => {
  const cluster = new Cluster([service('web')]);
  expect(await cluster.run()).toEqual({
    addresses: { web: node },
    events: [`LoadBalancerReady: reachable at ${node}`],
  });
  expect(new Cluster([service('web')]).changes).toEqual([]);
});

it('the second Service with a port waits for the first, and gets the address when that is gone', async () => {
  const later = service('a-later', { metadata: { creationTimestamp: '2026-11-28T12:00:01Z' } });
  const cluster = new Cluster([later, service('web')]);
  expect(await cluster.run()).toEqual({
    addresses: { web: node, 'a-later': '' },
    events: [`LoadBalancerReady: reachable at ${node}`, waits('the Service shop/web')],
  });
  cluster.delete('web');
  expect((await cluster.run()).addresses).toEqual({ 'a-later': node });
});

it('the address of another node that shares the cluster stays; that of an earlier start does not', async () => {
  const of = '172.30.8.2';
  const services = [service('web', { ip: of, managedFields: ours }), service('later')];
  expect((await new Cluster(services, [], [node], true).run()).addresses).toEqual({ web: of, later: node });
  const { addresses } = await new Cluster(services.slice(0, 1)).run();
  expect(addresses).toEqual({ web: node });
});

it('the same port of another protocol is another port', async () => {
  const udp = service('dns', { ports: [{ port: 80, protocol: 'UDP' }] });
  const sctp = service('sctp', { ports: [{ port: 80, protocol: 'SCTP' }] });
  const { addresses } = await new Cluster([service('web'), udp, sctp]).run();
  expect(addresses).toEqual({ web: node, dns: node, sctp: node });
});

describe('a port is not free', () => {
  const nodePort = { ports: [{ port: 8080, protocol: 'TCP', nodePort: 80 }], spec: { type: 'NodePort' } };
  const external = { spec: { type: 'ClusterIP', externalIPs: [node] } };
  it.each([
    ['a node port', [service('np', nodePort)], [], 'the node port of the Service shop/np'],
    ['an external IP', [service('ext', external)], [], 'the external IP of the Service shop/ext'],
    ['a host port', [], [pod({ hostPort: 80, protocol: 'TCP' })], 'the host port of the pod shop/proxy'],
    ['another load balancer', [service('other', { ip: node })], [], 'the Service shop/other'],
  ])('that %s has', async (_, services, pods, user) => {
    const { addresses, events } = await new Cluster([service('web'), ...services], pods).run();
    expect(addresses['web']).toBe('');
    expect(events).toEqual([waits(user)]);
  });

  it('that the node has itself, nor can an address be kept there', async () => {
    const ports = [{ port: 6443, protocol: 'TCP' }];
    const cluster = new Cluster([service('web', { ports, ip: node, managedFields: ours })]);
    const { addresses, events } = await cluster.run();
    expect(addresses).toEqual({ web: '' });
    expect(events).toEqual([expect.stringContaining('port 6443/TCP of the node is used by the API server')]);
  });

  it('that a program has, until it ends', async () => {
    const cluster = new Cluster([service('web')]);
    cluster.listener = 'pid 7 (nginx)';
    expect(await cluster.run()).toEqual({ addresses: { web: '' }, events: [waits('pid 7 (nginx)')] });
    cluster.listener = undefined;
    expect((await cluster.run()).addresses).toEqual({ web: node });
    // Who came later does not take it away.
    cluster.listener = 'pid 7 (nginx)';
    expect(await cluster.run()).toEqual({ addresses: { web: node }, events: [] });
  });

  it.each([
    ['of a pod that has ended', pod({ hostPort: 80 }, 'Succeeded')],
    ['at another address', pod({ hostPort: 80, hostIP: '127.0.0.1' })],
    ['of another protocol', pod({ hostPort: 80, protocol: 'UDP' })],
  ])('but a host port %s does not count', async (_, each) => {
    expect((await new Cluster([service('web')], [each]).run()).addresses).toEqual({ web: node });
  });

  it('but the own node port does not count, at which kube-proxy may listen', async () => {
    const cluster = new Cluster([
      service('web', { ports: [{ port: 30_080, protocol: 'TCP', nodePort: 30_080 }] }),
    ]);
    cluster.listener = 'pid 7 (kube-proxy)';
    expect((await cluster.run()).addresses).toEqual({ web: node });
  });
});

describe('an address is taken away', () => {
  it.each([
    ['of another type', { spec: { type: 'ClusterIP' } }],
    ['of another class', { spec: { loadBalancerClass: 'example.com/other' } }],
  ])('from a Service %s', async (_, parts) => {
    const cluster = new Cluster([service('web', { ...parts, ip: node, managedFields: ours })]);
    expect(await cluster.run()).toEqual({ addresses: { web: '' }, events: [] });
    expect(cluster.changes).toMatchObject([
      { body: { metadata: { uid: 'uid-web' }, status: { loadBalancer: { ingress: null } } } },
    ]);
  });

  it('and replaced when the node has another one', async () => {
    const { addresses } = await new Cluster([
      service('web', { ip: '172.30.9.2', managedFields: ours }),
    ]).run();
    expect(addresses).toEqual({ web: node });
  });
});

describe('a Service is left alone', () => {
  it.each([
    ['of another class', { spec: { loadBalancerClass: 'example.com/other' } }],
    ['with an address from another load balancer', { ip: '192.0.2.7' }],
    ['that is being deleted', { metadata: { deletionTimestamp: '2026-11-28T12:00:00Z' } }],
    ['of another type', { spec: { type: 'NodePort' } }],
  ])('%s', async (_, parts) => {
    const cluster = new Cluster([service('web', parts)]);
    await cluster.run();
    expect(cluster.changes).toEqual([]);
  });

  it('but not with the own class', async () => {
    const { addresses } = await new Cluster([
      service('web', { spec: { loadBalancerClass: 'k8s-single.local/node' } }),
    ]).run();
    expect(addresses).toEqual({ web: node });
  });
});

describe('address families', () => {
  const dual = [node, 'fd00::2'];
  it.each([
    [['IPv4'], node],
    [['IPv6'], 'fd00::2'],
    [['IPv4', 'IPv6'], `${node},fd00::2`],
    [[], `${node},fd00::2`],
  ])('%j', async (ipFamilies, expected) => {
    const { addresses } = await new Cluster([service('web', { spec: { ipFamilies } })], [], dual).run();
    expect(addresses).toEqual({ web: expected });
  });

  it('a node without one says so', async () => {
    const { addresses, events } = await new Cluster([
      service('web', { spec: { ipFamilies: ['IPv6'] } }),
    ]).run();
    expect(addresses).toEqual({ web: '' });
    expect(events).toEqual(['NoAddress: the node has no address of the family IPv6']);
  });
});

describe('the holder of a port', () => {
  const me = expect.stringContaining(`pid ${process.pid} `);

  it.each([
    ['0.0.0.0', '192.0.2.1', me],
    ['127.0.0.1', '127.0.0.1', me],
    ['127.0.0.1', '192.0.2.1', undefined],
    ['::', '192.0.2.1', me],
    ['::1', '::1', me],
    ['::ffff:127.0.0.1', '127.0.0.1', me],
  ])('that listens at %s, at %s: %o', async (host, address, expected) => {
    await using server = createServer().listen({ host, port: 0 });
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    expect(await boundHolder('tcp', port, [address])).toEqual(expected);
    expect(await boundHolder('udp', port, [address])).toBeUndefined();
  });

  it('is also found for UDP', async () => {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const { port } = socket.address();
    expect(await boundHolder('udp', port, ['127.0.0.1'])).toEqual(me);
    socket.close();
  });
});
