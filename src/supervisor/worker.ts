import { existsSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Api } from '../../probes/kinds/api.ts';
import { Unhealthy } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import type { Config } from '../config/config.ts';
import { defaults } from '../config/schema/defaults.ts';
import type { NodeConfig } from '../config/schema/node.ts';
import { isDomain } from '../config/schema/addresses.ts';
import { minorOf } from '../install/release/pairings.ts';
import { readNodeFile } from '../instance/nodeFile.ts';
import type { NodeFile } from '../instance/nodeFile.ts';
import { inCluster } from '../kubernetes/join/cluster.ts';
import type { ClusterFacts } from '../kubernetes/join/cluster.ts';
import { assertServer, discover, rediscover, TokenRefused } from '../kubernetes/join/discover.ts';
import {
  hasControlPlane,
  kubeletClientFile,
  readMembership,
  tokenFile,
} from '../kubernetes/join/membership.ts';
import type { Joining, Membership } from '../kubernetes/join/membership.ts';
import { issueToken, parseToken, tokenForm } from '../kubernetes/join/token.ts';
import type { JoinToken } from '../kubernetes/join/token.ts';
import { adminAt } from '../kubernetes/kubeconfig/clients.ts';
import { privateMode } from '../kubernetes/pki/files.ts';
import { ensurePrivateFolder, writeFileAtomicallySync } from '../lib/atomicFile.ts';
import { nodeCommand } from '../lib/commandLine.ts';
import { Failure, reasonOf } from '../lib/errors.ts';
import { nodePaths } from '../lib/paths.ts';
import { isSystemError } from '../lib/systemError.ts';
import type { Paths } from '../lib/paths.ts';
import { bootSpecOf } from './bootSpec.ts';
import type { BootSpec } from './bootSpec.ts';
import type { UpOptions } from './options.ts';

/**
 * What a node directly on its machine boots from: a worker's, if the options or the data folder say so.
 * @throws Failure as {@link joiningOf}
 */
export async function workerSpecOf(options: UpOptions, config: Config): Promise<BootSpec> {
  const joining = config.node.kubernetes === false ? undefined : await joiningOf(options, config.node);
  if (joining === undefined) return bootSpecOf(options, config);
  return { ...bootSpecOf(options, workerConfig(config, joining)), joining };
}

/**
 * What a worker in a sandbox boots from, in the cluster of another node of this machine.
 * @param control the name of that node
 * @throws Failure as {@link localJoiningOf}
 */
export async function localWorkerSpecOf(
  options: UpOptions,
  config: Config,
  control: string,
): Promise<BootSpec> {
  const joining = await localJoiningOf(config.node, control);
  return { ...bootSpecOf(options, workerConfig(config, joining)), joining };
}

type JoinOptions = Pick<UpOptions, 'join' | 'token'>;

/**
 * The cluster of a worker: of the one that the options name or, without them, of the data folder. Undefined for a control plane.
 * @throws Failure `usage` for wrong options, `preflight` when the cluster cannot be joined
 */
async function joiningOf(
  { join, token: given }: JoinOptions,
  node: NodeConfig,
): Promise<Joining | undefined> {
  const paths = nodePaths(node.name, node.dataDir);
  const known = readMembership(paths);
  if (join === undefined && known === undefined) return undefined;
  if (known?.control !== undefined)
    throw new Failure(
      'usage',
      `node ${node.name} is a worker of node ${known.control} in namespaces of its own`,
      {
        hint: 'leave out --host and --join, or give this one another --name',
      },
    );
  const server = join === undefined ? known!.server : assertServer(join);
  assertNoControlPlane(paths);
  const client = kubeletClientFile(paths);
  const pem = existsSync(client) ? readFileSync(client, 'utf8') : undefined;
  if (known !== undefined && known.server !== server) return movedTo(server, known, node, pem);
  if (known !== undefined && pem !== undefined) return refreshed(known, pem, workerName(node));
  const token = given ?? keptToken(paths);
  if (token === undefined)
    throw new Failure('usage', 'a worker needs a token to join', {
      hint: `--token, or K8S_SINGLE_TOKEN: ${tokenForm}`,
    });
  const parsed = parseToken(token);
  if (parsed === undefined) throw new Failure('usage', `the token is not ${tokenForm}`);
  const membership = await discover(server, parsed, workerName(node));
  return { ...membership, bootstrapToken: `${parsed.id}.${parsed.secret}` };
}

/**
 * Finds out whether the node can join as the options say. Resolves with a function that keeps the token in its data folder for the first
 * start, as every user can read a unit; it does nothing for a node that needs none.
 * @throws Failure as {@link joiningOf}
 */
export async function checkJoin(options: JoinOptions, node: NodeConfig): Promise<() => void> {
  const { token } = options;
  const joining = await joiningOf(options, node);
  if (joining?.bootstrapToken === undefined || token === undefined) return () => undefined;
  const paths = nodePaths(node.name, node.dataDir);
  return () => {
    ensurePrivateFolder(paths.data);
    writeFileAtomicallySync(tokenFile(paths), token, { mode: privateMode });
  };
}

function keptToken(paths: Paths): string | undefined {
  const file = tokenFile(paths);
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined;
}

/**
 * The membership of a worker whose control plane has another address now: a server that has the CA of the cluster, and accepts the
 * worker's certificate, is that of its cluster.
 * @throws Failure `usage` if it is not, `notReady` if it is not reached
 */
async function movedTo(
  server: string,
  known: Membership,
  node: NodeConfig,
  pem: string | undefined,
): Promise<Joining> {
  const refusal = (cause?: unknown): Failure => {
    const reason = cause === undefined ? '' : `: ${reasonOf(cause)}`;
    return new Failure(
      'usage',
      `node ${node.name} is a worker of ${known.server}, not of ${server}${reason}`,
      {
        hint: 'take it down with --purge first, or give this one another --name',
        cause,
      },
    );
  };
  if (pem === undefined) throw refusal();
  return rediscover({ ...known, server }, pem, workerName(node)).catch((error: unknown) => {
    // It may only start later than this one.
    if (error instanceof Failure && isSystemError(error.cause))
      throw new Failure('notReady', error.message, { hint: error.hint ?? '', cause: error });
    throw refusal(error);
  });
}

/** How long the token of a node of this machine is valid, in ms: as long as it may take to become ready, by default. */
const localTokenMs = 300_000;

/**
 * The cluster of a worker whose control plane is in a sandbox on this machine: who may start both needs no token from a person.
 * @throws Failure `usage` if it cannot be joined, `notReady` if it does not run, which only the first start needs
 */
async function localJoiningOf(node: NodeConfig, control: string): Promise<Joining> {
  const paths = nodePaths(node.name, node.dataDir);
  const known = readMembership(paths);
  if (known !== undefined && known.control !== control) throw otherCluster(node, known, `of node ${control}`);
  assertNoControlPlane(paths);
  const client = kubeletClientFile(paths);
  if (known !== undefined && existsSync(client)) {
    const running = await readNodeFile(control).catch(() => undefined);
    if (running !== undefined && readFileSync(localAccess(running).api.ca, 'utf8') !== known.ca)
      throw otherCluster(node, known, `of node ${control} as it is now`);
    // Its address may be another one today.
    const server = running === undefined ? known.server : localAccess(running).server;
    return refreshed({ ...known, server }, readFileSync(client, 'utf8'), workerName(node, node.name));
  }
  const { api, server } = localAccess(await readNodeFile(control));
  const settings = {
    expires: new Date(Date.now() + localTokenMs),
    description: `node ${node.name} of this machine`,
  };
  const token = await issueToken(api, settings, AbortSignal.timeout(requestMs)).catch((cause: unknown) => {
    throw new Failure('notReady', `the API server of node ${control} makes no token: ${reasonOf(cause)}`, {
      hint: nodeCommand('status', { name: control }),
      cause,
    });
  });
  const membership = await discoverSoon(server, token, workerName(node, node.name));
  return { ...membership, control, bootstrapToken: `${token.id}.${token.secret}` };
}

/** In ms. */
const requestMs = 10_000;

/** As {@link discover} with a new token, of which the API server hears by a watch. */
async function discoverSoon(server: string, token: JoinToken, nodeName: string): Promise<Membership> {
  let found: Promise<Membership> | undefined;
  const isKnown = async (): Promise<void> => {
    found = discover(server, token, nodeName);
    await found.catch((error: unknown) => {
      if (error instanceof TokenRefused) throw new Unhealthy(error.message, { cause: error });
    });
  };
  const patience = { timeoutMs: requestMs, attemptTimeoutMs: requestMs };
  await until(isKnown, patience, new AbortController().signal).catch(() => undefined);
  // With its own failure, if that is how it ended.
  return found!;
}

/** @throws Failure `usage` if no other node can join its cluster */
function localAccess({ name, dataDir, joinAt, cluster }: NodeFile): {
  readonly api: Api;
  readonly server: string;
} {
  if (joinAt === undefined || cluster !== name)
    throw new Failure('usage', `other nodes of this machine cannot join node ${name}`, {
      hint: `start it with --joinable: ${nodeCommand('down', { name })}, then ${nodeCommand('up', { name }, '--joinable')}`,
    });
  return { api: adminAt(joinAt, nodePaths(name, dataDir)), server: joinAt };
}

function otherCluster({ name }: NodeConfig, { server, control }: Membership, wanted: string): Failure {
  const own = control === undefined ? server : `node ${control}`;
  return new Failure('usage', `node ${name} is a worker of the cluster of ${own}, and not ${wanted}`, {
    hint: `remove it first: ${nodeCommand('down', { name }, '--purge')}; or give this one another --name`,
  });
}

/** @throws Failure `usage` */
function assertNoControlPlane(paths: Paths): void {
  if (!hasControlPlane(paths)) return;
  throw new Failure('usage', `${paths.data} has the data of a control plane`, {
    hint: 'give the worker another --name or --data-dir',
  });
}

/** As the cluster is now; as it was if it cannot be asked, so that pods on this machine start again without it. */
async function refreshed(known: Membership, pem: string, nodeName: string): Promise<Joining> {
  return rediscover(known, pem, nodeName).catch((error: unknown) => {
    console.error(`${reasonOf(error)}; what is known of the cluster is used`);
    return known;
  });
}

/**
 * The config of a worker: ranges and names are those of the cluster, and what a control plane does is off.
 * @throws Failure `usage` if the machine's host name cannot be the name of a node
 */
export function workerConfig<Of extends Pick<Config, 'node'>>(
  config: Of,
  { cluster, control }: Pick<Membership, 'cluster' | 'control'>,
): Of {
  const { node } = config;
  const worker: NodeConfig = {
    ...inCluster(node, cluster),
    nodeName: workerName(node, control === undefined ? hostname() : node.name),
    // Its newest patch: a kubelet may be a patch ahead of the API server, or behind.
    kubernetes: node.kubernetes ?? `1.${minorOf(cluster.kubernetes)}`,
    dns: { server: 'none' },
    storage: 'none',
    loadBalancer: 'none',
    addons: {},
    snapshots: { keep: node.snapshots.keep },
  };
  return { ...config, node: worker };
}

/**
 * The name in the config or, instead of the default, which is that of the control plane, another one: the host name of the machine,
 * which is that of a node in its sandbox.
 */
function workerName({ nodeName }: Pick<NodeConfig, 'nodeName'>, instead = hostname()): string {
  if (nodeName !== defaults.nodeName) return nodeName;
  const name = instead.toLowerCase();
  if (isDomain(name, 63)) return name;
  throw new Failure('usage', `the host name ${instead} cannot be the name of a node`, {
    hint: 'set nodeName in a config',
  });
}

/**
 * A kubelet is not newer than the API server, and at most three minor versions older, two before 1.28
 * (https://kubernetes.io/releases/version-skew-policy/).
 * @throws Failure `preflight`
 */
export function assertFits(kubelet: string, { kubernetes }: Pick<ClusterFacts, 'kubernetes'>): void {
  const [own, cluster] = [minorOf(kubelet), minorOf(kubernetes)];
  const oldest = cluster - (cluster >= 28 ? 3 : 2);
  if (own >= oldest && own <= cluster) return;
  throw new Failure(
    'preflight',
    `a kubelet of ${kubelet} is too ${own > cluster ? 'new' : 'old'} for the cluster, which has Kubernetes ${kubernetes}`,
    { hint: `leave out the version, or take that of the cluster: --kubernetes 1.${cluster}` },
  );
}
