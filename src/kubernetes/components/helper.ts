import { join } from 'node:path';
import { http } from '../../../probes/kinds/http.ts';
import type { Probe } from '../../../probes/probe.ts';
import { until } from '../../../probes/until.ts';
import type { Command, Component, Dependency, Service, Task } from '../../engine/component.ts';
import { firstAddress, serverHost } from '../../config/schema/addresses.ts';
import type {
  DnsOptions,
  HelperOptions,
  RoutesOptions,
  VolumesOptions,
  WorkersOptions,
} from '../../helper/options.ts';
import { ensurePrivateFolder, writeFileAtomicallySync } from '../../lib/atomicFile.ts';
import { childEnv } from '../../lib/childEnv.ts';
import { programFile } from '../../lib/paths.ts';
import { dnsPort } from '../dns/dnsService.ts';
import { commandWith } from '../environment.ts';
import type { NodeFacts } from '../facts.ts';
import { isJoinable } from '../join/joinable.ts';
import { publishCluster } from '../join/rights.ts';
import { clientOf, localServer } from '../kubeconfig/clients.ts';
import { grantLoadBalancer, withdrawLoadBalancer } from '../loadBalancer/rights.ts';
import { apiserverNames } from '../pki/leaves.ts';
import { pkiPaths } from '../pki/paths.ts';
import { grantStorage, withdrawStorage } from '../storage/rights.ts';
import { kubeletPort } from './kubelet.ts';
import { milestone, waitUntil } from './milestones.ts';

/** The helper process as a component of its own; undefined if the component `dns` runs it, or if it has nothing to do. */
export function helper(facts: NodeFacts, needs: readonly Dependency[]): Component | undefined {
  const { storage, loadBalancer } = facts.config;
  const hasTask = storage !== 'none' || loadBalancer !== 'none' || isJoinable(facts);
  if (facts.dns.kind === 'embedded' || !hasTask) return undefined;
  const grant = grantHelper(facts);
  const isHealthy = helperHealthy(facts);
  let isGranted = false;
  const ready: Probe = async (signal) => {
    if (!isGranted) await grant(signal);
    isGranted = true;
    await isHealthy(signal);
  };
  return helperService(facts, needs, { command: async () => helperCommand(facts), ready });
}

function helperService(
  { paths }: NodeFacts,
  needs: readonly Dependency[],
  own: Pick<Service, 'command' | 'ready'>,
): Service {
  return {
    kind: 'service',
    name: 'helper',
    needs,
    ...own,
    // Not its checks: they fail while the API server is away, which no restart helps.
    live: http(healthUrl, { socketPath: paths.helperSocket, status: [200, 503] }),
    // Without it, only what is new waits.
    restart: { onFailure: 'keepOthers' },
    stop: { graceMs: 1000 },
  };
}

/** With `storage: none` a task that removes what an earlier start has made, lest claims wait for nobody. */
export function storageRemoval(facts: NodeFacts, needs: readonly Dependency[]): Task | undefined {
  if (facts.config.storage !== 'none') return undefined;
  return removal('storage-removal', withdrawStorage(facts), needs);
}

/** With `loadBalancer: none` a task that takes away the addresses that an earlier start has given. */
export function loadBalancerRemoval(facts: NodeFacts, needs: readonly Dependency[]): Task | undefined {
  if (facts.config.loadBalancer !== 'none') return undefined;
  return removal('load-balancer-removal', withdrawLoadBalancer(facts), needs);
}

/** A task that removes from the cluster what an earlier start has made, within two minutes. */
export function removal(name: string, withdraw: Probe, needs: readonly Dependency[]): Task {
  const timeoutMs = 120_000;
  const run: Task['run'] = async (signal: AbortSignal, onAttemptFailed: (reason: string) => void) =>
    until(withdraw, { timeoutMs, onAttemptFailed }, signal);
  return { kind: 'task', name, needs, timeoutMs, run };
}

/** Gives the helper process the rights of its parts. */
export function grantHelper(facts: NodeFacts): Probe {
  const { storage, loadBalancer } = facts.config;
  const grants = [
    ...(storage === 'local' ? [grantStorage(facts)] : []),
    ...(loadBalancer === 'node' ? [grantLoadBalancer(facts)] : []),
    ...(isJoinable(facts) ? [publishCluster(facts)] : []),
  ];
  return async (signal) => void (await Promise.all(grants.map(async (grant) => grant(signal))));
}

const healthUrl = 'http://localhost/healthz';

/** Passes when all parts of the helper process work; else it has the reason of the first that does not. */
export function helperHealthy(facts: NodeFacts): Probe {
  return http(healthUrl, { socketPath: facts.paths.helperSocket });
}

/**
 * Ready while there is a route to the pods of each other node, which the helper process makes; undefined for a node that has no others.
 * The helper process itself becomes ready with its routes, and is not restarted when one is lost.
 */
export function routes(facts: NodeFacts, needed: string): Task | undefined {
  if (facts.joining === undefined && !isJoinable(facts)) return undefined;
  const live = http(`${healthUrl}/routes`, { socketPath: facts.paths.helperSocket });
  return {
    ...milestone('routes', [needed], [waitUntil(live)]),
    live,
    // Without a route, only the pods of one node are not reached.
    restart: { onFailure: 'keepOthers' },
  };
}

/** The helper process: its parts by the config, and DNS if it is to serve it. Its options are written at each start. */
export function helperCommand(facts: NodeFacts, dns?: DnsOptions): Command {
  const { config, paths } = facts;
  const pki = pkiPaths(paths.pki);
  const isShared = config.etcd.endpoints !== undefined;
  const options: HelperOptions = {
    api: { server: localServer(facts), ca: pki.ca.cert, ...pki.helper },
    healthSocket: paths.helperSocket,
    ...(dns !== undefined && { dns }),
    ...(config.storage === 'local' && {
      storage: {
        ...volumesOf(facts),
        hasWorkers: isJoinable(facts),
        isShared,
      },
    }),
    ...(config.loadBalancer === 'node' && {
      loadBalancer: {
        addresses: [facts.ip],
        ownPorts: ownPorts(facts),
        isShared,
      },
    }),
    ...(isJoinable(facts) && { routes: routesOf(facts), workers: workersOf(facts) }),
  };
  return helperProgram(facts, options);
}

/** The helper process of a worker: the routes to the pods of other nodes, and volumes. */
export function workerHelper(facts: NodeFacts, needs: readonly Dependency[]): Component {
  const options = {
    api: clientOf(facts),
    healthSocket: facts.paths.helperSocket,
    routes: routesOf(facts),
    volumes: volumesOf(facts),
  };
  return helperService(facts, needs, {
    command: async () => helperProgram(facts, options),
    ready: helperHealthy(facts),
  });
}

function volumesOf({ config, paths }: NodeFacts): VolumesOptions {
  return { folder: join(paths.data, 'volumes'), nodeName: config.nodeName };
}

/** The routes to the pods of other nodes, which the undo journal of the machine has. */
function routesOf({ config, programs }: NodeFacts): RoutesOptions {
  const { ip, 'iptables-save': iptablesSave, 'iptables-restore': iptablesRestore } = programs;
  const { nodeName, network } = config;
  return { nodeName, clusterCidr: network.clusterCidr, programs: { ip, iptablesSave, iptablesRestore } };
}

function workersOf({ config }: NodeFacts): WorkersOptions {
  const { podCidr, clusterCidr, serviceCidr, dnsIp, clusterDomain, server } = config.network;
  const host = serverHost(server ?? '');
  const reserved = [...apiserverNames(clusterDomain), firstAddress(serviceCidr), dnsIp];
  return {
    nodeName: config.nodeName,
    podCidr,
    clusterCidr,
    reserved: host === undefined ? reserved : [...reserved, host],
  };
}

function helperProgram({ paths, env }: NodeFacts, options: HelperOptions): Command {
  const folder = join(paths.data, 'helper');
  ensurePrivateFolder(folder);
  const file = join(folder, 'options.json');
  writeFileAtomicallySync(file, JSON.stringify(options));
  // By a flag of the command line, since V8 takes it only at its start: at 4000 questions a second, 55 MB instead of 60.
  const args = ['--max-semi-space-size=1', programFile('helper'), file];
  // With childEnv: it is a process of ours, and as small as the supervisor.
  return commandWith(childEnv(env), process.execPath, args);
}

/** The node's own ports at its address, by name: no Service may hide them. */
function ownPorts({ config, dns }: NodeFacts): Record<string, string> {
  const dnsServer = 'the DNS server of the node';
  return {
    [`${config.network.apiserverPort}/TCP`]: 'the API server',
    [`${kubeletPort}/TCP`]: 'the kubelet',
    ...(dns.kind !== 'none' && { [`${dnsPort}/TCP`]: dnsServer, [`${dnsPort}/UDP`]: dnsServer }),
  };
}
