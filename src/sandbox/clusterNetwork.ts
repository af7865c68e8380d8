import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { Unhealthy } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import { numberToIp, parseCidr } from '../config/schema/addresses.ts';
import { assertCanIsolate } from '../host/preflight.ts';
import { notInstalled, pathWithSbin, runAt } from '../host/tool.ts';
import type { Argv } from '../host/tool.ts';
import { clusterAlias } from '../instance/cleanUp.ts';
import { memberFile, otherMembers } from '../instance/clusterMembers.ts';
import type { ClusterMember } from '../instance/clusterMembers.ts';
import { removeRunFolder, takeLock } from '../instance/lock.ts';
import { writeFileAtomicallySync } from '../lib/atomicFile.ts';
import { childEnv } from '../lib/childEnv.ts';
import { Failure, reasonOf } from '../lib/errors.ts';
import { batch, freeSubnets, isTaken, listRoutes, noSubnet, setUpInside, startOf } from './network.ts';
import { descriptors, namespacesOf } from './sandboxSpec.ts';
import type { Addresses, SandboxNamespaces, SandboxSpec } from './sandboxSpec.ts';

/** How many addresses the network of a cluster has; fewer if `network.nodeSubnet` in a config is smaller. */
const networkSize = 256;

/**
 * The network of the nodes of one cluster on this machine, each in its own sandbox: a bridge, to which the host is connected as well.
 * The bridge is in a network namespace of its own, for two reasons. No rule of the host's packet filter is in the way of its frames
 * (br_netfilter). And the namespace goes with the last process that has it open: the shim of each node has, so that nothing is left,
 * however the nodes end, and a control plane can be started again while workers run.
 */
export class ClusterNetwork implements Disposable {
  readonly #cluster: string;
  /** The open namespace. */
  readonly descriptor: number;
  #isClosed = false;
  /** Held by the one that makes the network, until others can find it. */
  readonly #turn: Turn | undefined;
  /** A node that has made the network. */
  readonly #member: ClusterMember | undefined;

  /**
   * Opens the network of the nodes that live, or a new one.
   * @param folder the run folder of the node
   * @throws Failure `preflight` if this machine lets nobody make namespaces; the reason of `signal`, which ends the wait for another node
   */
  static async open(cluster: string, folder: string, signal: AbortSignal): Promise<ClusterNetwork> {
    const opened = openOf(cluster, folder);
    if (opened !== undefined) return new ClusterNetwork(cluster, opened);
    // Only one makes a network: the others wait until it is known, and enter it.
    const turn = await Turn.take(join(dirname(folder), `.${cluster}`), cluster, signal);
    try {
      const made = openOf(cluster, folder);
      if (made === undefined) return new ClusterNetwork(cluster, { fd: await newNamespace() }, turn);
      turn[Symbol.dispose]();
      return new ClusterNetwork(cluster, made);
    } catch (error) {
      turn[Symbol.dispose]();
      throw error;
    }
  }

  private constructor(cluster: string, { fd, member }: Opened, turn?: Turn) {
    this.#cluster = cluster;
    this.descriptor = fd;
    this.#member = member;
    this.#turn = turn;
  }

  /**
   * Connects the network namespace of a sandbox, which is to have one address, and tells the other nodes.
   * @param shim the pid of the process that keeps the network's namespace open as descriptor `cluster`
   * @throws Failure `preflight` if no address is free
   */
  async connect(spec: SandboxSpec, { pid, path }: SandboxNamespaces, shim: number): Promise<Addresses> {
    const place = { path, namespaces: namespacesOf(pid, 'pid') };
    const { interface: host, cidr } = this.#member ?? (await this.#make(spec, place));
    const range = parseCidr(cidr);
    if (typeof range === 'string') throw new Error(range);
    const prefix = cidr.split('/')[1];
    for (const address of addressesFor(spec.name, this.#cluster, range)) {
      const nodeIp = numberToIp(address);
      const port = `n${address - range.first}`;
      const add: Argv = [
        ...this.#inside(
          ...`ip link add ${port} type veth peer name eth0 address ${hardwareAddress(address)}`.split(' '),
        ),
        'netns',
        `/proc/${pid}/ns/net`,
      ];
      try {
        await runAt(place, add);
      } catch (error) {
        if (!isTaken(error, add)) throw error;
        if (spec.name !== this.#cluster) continue;
        // Nobody else has the address of the control plane: the kernel has not removed its last life yet, or a process such as
        // tcpdump is in it.
        await runAt(place, this.#inside(...`ip link delete dev ${port}`.split(' '))).catch(() => undefined);
        await runAt(place, add);
      }
      await runAt(
        place,
        this.#inside(...`ip link set dev ${port} master nodes up`.split(' ')),
        setUpInside(spec, pid, `${nodeIp}/${prefix}`),
      );
      this.#record(spec.run, { interface: host, cidr }, shim);
      return { nodeIp, hostIp: numberToIp(range.first + 1) };
    }
    throw new Failure('preflight', `no address is free in the network of cluster ${this.#cluster}, ${cidr}`, {
      hint: 'take a node of it down, or choose a larger range with network.nodeSubnet in a config',
    });
  }

  /** Closes the namespace in this process; those of the shims stay open. Does nothing when it is closed. */
  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeSync(this.descriptor);
    this.#turn?.[Symbol.dispose]();
  }

  /** Makes the bridge and the host's connection to it. */
  async #make(
    { run: folder, nodeSubnet, excludeSubnets: exclude }: SandboxSpec,
    place: Parameters<typeof runAt>[0],
  ): Promise<Pick<ClusterMember, 'interface' | 'cidr'>> {
    const routes = await runAt(place, listRoutes);
    for (const subnet of freeSubnets(this.#cluster, routes, { nodeSubnet, exclude, size: networkSize })) {
      const { interface: host, hostIp, cidr } = subnet;
      const prefix = cidr.split('/')[1];
      const add: Argv = ['ip', ...`link add ${host} type veth peer name host netns ${this.#path}`.split(' ')];
      // Written before the interface exists: the clean-up waits until it is gone.
      writeFileSync(join(folder, 'interface'), host);
      try {
        await runAt(place, add);
      } catch (error) {
        if (!isTaken(error, add)) throw error;
        if (aliasOf(host) !== clusterAlias(this.#cluster)) {
          rmSync(join(folder, 'interface'));
          continue;
        }
        // That of the last of its nodes, which has just ended.
        await this.#gone(host);
        await runAt(place, add);
      }
      await runAt(
        place,
        batch(
          join(folder, 'network.host'),
          `link set dev ${host} alias "${clusterAlias(this.#cluster)}" up`,
          `address add ${hostIp}/${prefix} dev ${host}`,
        ),
        this.#inside(
          ...batch(
            join(folder, 'network.bridge'),
            'link add nodes type bridge',
            'link set dev host master nodes up',
            'link set dev nodes up',
          ),
        ),
      );
      return { interface: host, cidr };
    }
    throw noSubnet(nodeSubnet, routes);
  }

  /** Waits until the kernel has removed an interface of this cluster. @throws Failure `preflight` if it stays */
  async #gone(host: string): Promise<void> {
    const isGone = async (): Promise<void> => {
      if (aliasOf(host) !== undefined) throw new Unhealthy(`${host} is still there`);
    };
    await until(isGone, { timeoutMs: 2000 }, never).catch((cause: unknown) => {
      throw new Failure(
        'preflight',
        `the network of cluster ${this.#cluster} is in use, but none of its nodes is found: ${reasonOf(cause)}`,
        { hint: 'take all of its nodes down first; a process such as tcpdump may be in it, too', cause },
      );
    });
  }

  #record(folder: string, made: Pick<ClusterMember, 'interface' | 'cidr'>, shim: number): void {
    const path = `/proc/${shim}/fd/${descriptors.cluster}`;
    const member: ClusterMember = {
      cluster: this.#cluster,
      interface: made.interface,
      cidr: made.cidr,
      namespace: { path, id: readlinkSync(path) },
    };
    writeFileSync(join(folder, 'interface'), made.interface);
    writeFileAtomicallySync(memberFile(folder), `${JSON.stringify(member)}\n`, { mode: 0o600 });
  }

  get #path(): string {
    return `/proc/${process.pid}/fd/${this.descriptor}`;
  }

  #inside(...argv: readonly string[]): Argv {
    return ['nsenter', `--net=${this.#path}`, ...argv];
  }
}

/** The alias of an interface of the host; undefined if there is none. */
function aliasOf(name: string): string | undefined {
  try {
    return readFileSync(join('/sys/class/net', name, 'ifalias'), 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** An open namespace, and a node that is in it. */
interface Opened {
  readonly fd: number;
  readonly member?: ClusterMember;
}

/** Opens the network of the nodes that live; undefined if there is none. */
function openOf(cluster: string, folder: string): Opened | undefined {
  for (const member of otherMembers(cluster, folder)) {
    const fd = openNamespace(member.namespace);
    if (fd !== undefined) return { fd, member };
  }
  return undefined;
}

/** How long the first node of a cluster may take to make the network: it may have to install programs before. In ms. */
const othersMs = 300_000;
const never = new AbortController().signal;

/** The right to make the network of a cluster: a lock in a folder that goes with it. */
class Turn implements Disposable {
  readonly #folder: string;
  readonly #lock: number;

  /** Waits until nobody else has it. @throws Failure `preflight` after five minutes; the reason of `signal` */
  static async take(folder: string, cluster: string, signal: AbortSignal): Promise<Turn> {
    let lock: number | undefined;
    const isFree = async (): Promise<void> => {
      lock ??= await takeLock(folder);
      if (lock === undefined) throw new Unhealthy('another node is making its network');
    };
    const patience = { timeoutMs: othersMs, attemptTimeoutMs: Number.POSITIVE_INFINITY, maxPeriodMs: 200 };
    await until(isFree, patience, signal).catch((cause: unknown) => {
      signal.throwIfAborted();
      throw new Failure('preflight', `the network of cluster ${cluster} cannot be made: ${reasonOf(cause)}`, {
        hint: 'try again when that node is up',
        cause,
      });
    });
    return new Turn(folder, lock!);
  }

  private constructor(folder: string, lock: number) {
    this.#folder = folder;
    this.#lock = lock;
  }

  [Symbol.dispose](): void {
    removeRunFolder(this.#folder);
    closeSync(this.#lock);
  }
}

function openNamespace({ path, id }: ClusterMember['namespace']): number | undefined {
  try {
    const fd = openSync(path, 'r');
    if (readlinkSync(`/proc/self/fd/${fd}`) === id) return fd;
    closeSync(fd);
  } catch {
    // It has ended.
  }
  return undefined;
}

/** A network namespace without a process. */
async function newNamespace(): Promise<number> {
  const env = { ...childEnv(process.env), PATH: pathWithSbin() };
  const holder = spawn('unshare', ['--net', 'sh', '-c', 'echo && exec cat'], {
    env,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const ended = once(holder, 'close').then(
    () => 'ended' as const,
    (cause: unknown) => {
      throw notInstalled('unshare', cause);
    },
  );
  try {
    const first = await Promise.race([once(holder.stdout, 'data'), ended]);
    if (first !== 'ended') return openSync(`/proc/${holder.pid}/ns/net`, 'r');
    await assertCanIsolate();
    throw new Failure('preflight', 'unshare(1) cannot make a network namespace');
  } finally {
    holder.stdin.end();
    await ended;
  }
}

/** The addresses that a node can have, the best first: the control plane, by which the cluster is called, has always the same. */
function* addressesFor(
  name: string,
  cluster: string,
  { first, size }: { readonly first: number; readonly size: number },
): Generator<number, void> {
  if (name === cluster) yield first + 2;
  const count = Math.max(0, size - 4);
  for (let index = 0; index < count; index++) yield first + 3 + ((startOf(name) + index) % count);
}

/** Made of the address, as CNI plugins do: a node that starts again is found at once. */
function hardwareAddress(address: number): string {
  const octets = numberToIp(address)
    .split('.')
    .map((octet) => Number(octet).toString(16).padStart(2, '0'));
  return ['0a', '58', ...octets].join(':');
}
