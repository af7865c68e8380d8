import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { maskerOf, maskEvent } from '../config/secrets.ts';
import { describePort } from '../config/schema/ports.ts';
import type { PortMapping } from '../config/schema/ports.ts';
import { removeStaleSocket } from '../control/socket.ts';
import type { Component, Emit } from '../engine/component.ts';
import { sortByDependencies } from '../engine/graph.ts';
import { startGraph } from '../engine/startGraph.ts';
import { tail } from '../engine/supervise/logFile.ts';
import type { CheckResult } from '../host/checkResult.ts';
import { checkDisk } from '../host/diskSpace.ts';
import { removeInterruptedWrites } from '../instance/interruptedWrites.ts';
import type { NodeFile } from '../instance/nodeFile.ts';
import { recordStopOrder } from '../instance/stopOrphans.ts';
import { recordDataVersions } from '../kubernetes/dataVersions.ts';
import { pullNotes } from '../kubernetes/images/pullFailure.ts';
import type { Renewal } from '../kubernetes/components/certificates.ts';
import { dueCertificates, expiryOf } from '../kubernetes/pki/expiry.ts';
import { removeTemporaries } from '../lib/atomicFile.ts';
import { nodeCommand } from '../lib/commandLine.ts';
import { Failure, reasonOf } from '../lib/errors.ts';
import { nodePaths } from '../lib/paths.ts';
import type { Paths } from '../lib/paths.ts';
import type { Signals } from '../lib/signals.ts';
import { isSystemError } from '../lib/systemError.ts';
import { keepRotated } from '../observe/logs/rotation.ts';
import { recordBoot } from '../observe/records/bootRecord.ts';
import type { SaveBoot } from '../observe/records/bootRecord.ts';
import { removeFailureFile } from '../observe/records/artifacts.ts';
import { createReporter } from '../observe/terminal/reporter.ts';
import type { OutputMode, Reporter } from '../observe/terminal/reporter.ts';
import { controlledNode, createEventStore, serveControlApi, withRecordedAttempts } from './controlApi.ts';
import type { EventStore } from './controlApi.ts';
import { componentsToForward, forwardLogs } from './forwardLogs.ts';
import type { Listener } from './listener.ts';
import { keepRenewed } from './renewal.ts';

/** How a graph is run. */
export interface GraphOptions {
  readonly config: Config;
  readonly ip: string;
  /** Of the node's binaries, by name. */
  readonly versions?: Readonly<Record<string, string>>;
  /** The versions are new to the data folder: not recorded there until the upgrade is complete. */
  readonly isUpgrade?: boolean;
  /** What follows is missing for a graph without Kubernetes. */
  readonly kubectl?: string;
  readonly ctr?: string;
  readonly etcd?: string;
  readonly snapshotter?: string;
  /** The arguments of `up` that start the node again in a sandbox. */
  readonly again?: readonly string[] | undefined;
  /** The lines of a snapshot of the cluster. */
  readonly snapshot?: (signal: AbortSignal) => AsyncIterable<string>;
  readonly renewal?: Renewal;
  /** The URL at which other machines join the cluster. */
  readonly joinAt?: string;
  /** The URL of its API server, if there may be others of the cluster. */
  readonly apiserver?: string;
  /** Makes this process start the node again when it has stopped. */
  readonly restart?: (() => void) | undefined;
  /** The cluster in whose network on this machine the node is. */
  readonly cluster?: string;
  /** Of a worker: its cluster. */
  readonly worker?: NonNullable<NodeFile['worker']>;
  /** What was checked on the host. What is not ok is printed. */
  readonly checks: readonly CheckResult[];
  readonly output: OutputMode;
  /** The systemd unit that runs the node. */
  readonly unit?: string | undefined;
  /** When the command was started, in ms since the epoch. */
  readonly startedAt: number;
  readonly signals: Signals;
  /** Without a sandbox: makes a component one that the next supervisor can take over. */
  readonly follow?: ((component: Component) => Component) | undefined;
  /** Called before each restart of a component. */
  readonly beforeRestart?: (() => Promise<void>) | undefined;
  /** For the page and the metrics. */
  readonly listener: Listener | undefined;
  /** The published ports. */
  readonly ports: readonly PortMapping[];
}

/**
 * Starts a graph, shows it, and serves its control API until it was asked to stop and has stopped. Resolves with 0.
 * @throws Failure with the reason why it ended by itself, after everything was stopped and explained
 */
export async function runGraph(components: readonly Component[], options: GraphOptions): Promise<number> {
  const { config, output } = options;
  const { node } = config;
  const paths = nodePaths(node.name, node.dataDir);
  await removeStaleSocket(paths.controlSocket, node.name);
  const saveBoot = await beginRecord(components, options, paths);
  recordStopOrder(paths.run, components, paths.logs);
  const forward = componentsToForward(node.logs.forward, components);
  const reporter = await createReporter({
    output: outputWith(forward, output),
    stages: components,
    startedAt: options.startedAt,
  });
  for (const { level, subject, message, remedy = '' } of options.checks) {
    if (level === 'ok') continue;
    reporter.print(`${subject}: ${message}`);
    if (remedy !== '') reporter.print(`  ${remedy}`);
  }
  const store = createEventStore(components);
  const save = async (): Promise<void> =>
    saveBoot(store.events()).catch((error: unknown) =>
      reporter.print(`this boot is not recorded: ${reasonOf(error)}`),
    );
  const rotation = keepRotated(paths.logs, {
    maxBytes: node.logs.maxMiB * 1024 * 1024,
    keep: node.logs.keep,
    onError: (error) => reporter.print(`log rotation: ${reasonOf(error)}`),
  });
  const forwarding =
    forward.length > 0 ? await forwardLogs(paths.logs, forward, output === 'json') : undefined;
  try {
    await startAndServe(components, options, { paths, store, reporter, save });
    return 0;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const { explainFailure } = await import('./explainFailure.ts');
    const boot = { components, events: store.events() };
    const { text, failure } = await explainFailure(error, boot, { ...paths, config });
    if (text !== undefined) reporter.print(text);
    throw failure;
  } finally {
    await save();
    await rotation[Symbol.asyncDispose]();
    await forwarding?.[Symbol.asyncDispose]();
    await reporter.end();
  }
}

interface Observers {
  readonly paths: Paths;
  readonly store: EventStore;
  readonly reporter: Reporter;
  /** Saves the record of the boot. */
  readonly save: () => Promise<void>;
}

/** Resolves when the graph has stopped and the control API is closed. */
async function startAndServe(
  components: readonly Component[],
  options: GraphOptions,
  { paths, store, reporter, save }: Observers,
): Promise<void> {
  const { node } = options.config;
  const mask = await maskerOf(options.config);
  const emit: Emit = (event) => {
    const masked = maskEvent(event, mask);
    store.add(masked);
    reporter.emit(masked);
  };
  const graph = startGraph(
    components.map((component) => withRecordedAttempts(options.follow?.(component) ?? component, store)),
    {
      emit,
      logDir: paths.logs,
      timeoutMs: node.timeouts.boot,
      beforeRestart: options.beforeRestart,
      logsCommand: (component) => nodeCommand('logs', node, ...(component === undefined ? [] : [component])),
    },
  );
  const { restart } = options;
  const down = (): void => void graph.down().catch(() => undefined);
  options.signals.handleWith(down);
  graph.ready.then(save, () => undefined);
  const notes = (): string[] => notesOf(options, paths).map(mask);
  const controlled = controlledNode(node.name, store, {
    graph,
    logDir: paths.logs,
    down,
    restartNode:
      restart &&
      (() => {
        restart();
        down();
      }),
    notes,
    unit: options.unit,
    isMultiNode: (options.joinAt ?? options.apiserver ?? options.worker) !== undefined,
    snapshot: options.snapshot,
    ports: options.ports.map(describePort),
  });
  const api = await serveControlApi(controlled, {
    controlSocket: paths.controlSocket,
    nodeFile: nodeFileOf(options, paths),
    listener: options.listener,
    page: { name: node.name, components, state: store.state, events: store.events },
  }).catch(async (error: unknown) => {
    await graph.down().catch(() => undefined);
    throw error;
  });
  for (const port of options.ports) reporter.print(`published: ${describePort(port)}`);
  if (api.url !== undefined) reporter.print(`see it in a browser: ${api.url}`);
  const { renewal } = options;
  const ended = new AbortController();
  if (renewal !== undefined) {
    const { state, subscribe } = store;
    const order = sortByDependencies(components).map(({ name }) => name);
    void keepRenewed(renewal, { graph, state, subscribe, order, print: reporter.print }, ended.signal);
  }
  try {
    await graph.done;
  } finally {
    ended.abort();
    await api.close();
  }
}

/**
 * A disk that fills up is said before the kubelet evicts pods, and certificates before they expire; pods that wait for an
 * image make no component fail.
 */
function notesOf({ config: { node } }: GraphOptions, { data, kubelet, logs, pki }: Paths): string[] {
  if (node.kubernetes === false) return [];
  const { level, subject, message } = checkDisk(data, node.kubelet.minFreeMiB, kubelet);
  const expiring = dueCertificates(pki).map(({ description }) => description);
  const renew = nodeCommand('restart', { name: node.name }, '--cascade', 'pki');
  const { certFile } = node.etcd;
  const etcdClient = certFile === undefined ? undefined : expiryOf(certFile);
  return [
    ...(level === 'ok' ? [] : [`${subject}: ${message}`]),
    ...(expiring.length > 0 ? [`certificates: ${expiring.join(', ')}. Renew them: ${renew}`] : []),
    ...(etcdClient === undefined
      ? []
      : [`etcd.certFile: ${etcdClient}. Put another one in its place: ${certFile}`]),
    ...pullNotes(tail(join(logs, 'containerd.log'), logLines), Date.now()),
  ];
}

/** At most: as many as the end of a log has. */
const logLines = 1000;

function nodeFileOf(options: GraphOptions, paths: Paths): NodeFile {
  const { config, ip, ports, again, kubectl, ctr, etcd, snapshotter, joinAt, apiserver, cluster, worker } =
    options;
  const { name, network } = config.node;
  const common = {
    name,
    pid: process.pid,
    ip,
    dataDir: paths.data,
    ...(ports.length > 0 && { ports }),
    ...(again !== undefined && { up: again }),
    ...(options.restart !== undefined && { restartsItself: true as const }),
    ...(cluster !== undefined && { cluster }),
  };
  if (ctr === undefined) return common;
  const images = {
    ctr,
    ...(snapshotter !== undefined && { snapshotter }),
    ...(config.node.kubelet.minFreeMiB !== undefined && { minFreeMiB: config.node.kubelet.minFreeMiB }),
  };
  if (worker !== undefined || kubectl === undefined)
    return { ...common, ...images, ...(worker && { worker }) };
  return {
    ...common,
    ...images,
    kubectl,
    ...(etcd !== undefined && { etcd }),
    ...(joinAt !== undefined && { joinAt }),
    ...(apiserver !== undefined && { apiserver }),
    snapshots: config.node.snapshots,
    kubeconfig: paths.kubeconfig,
    ...(network.server !== undefined && { server: network.server }),
  };
}

/** The pretty view redraws in place and leaves no room for forwarded lines. */
function outputWith(forward: readonly string[], output: OutputMode): OutputMode {
  if (forward.length === 0 || (output !== 'auto' && output !== 'pretty')) return output;
  if (output === 'auto') return 'plain';
  throw new Failure('usage', 'logs are not forwarded into --output pretty, which draws in place', {
    hint: 'take --output plain, or leave out what asks for it: --forward-logs, K8S_SINGLE_FORWARD_LOGS, logs.forward',
  });
}

/** Makes the folders and begins the record of this boot: the first write there, so a data folder that refuses it is named. */
async function beginRecord(
  components: readonly Component[],
  options: GraphOptions,
  paths: Paths,
): Promise<SaveBoot> {
  const { data, run, logs } = paths;
  try {
    for (const folder of [data, run, logs]) mkdirSync(folder, { recursive: true, mode: 0o700 });
    removeInterruptedWrites(paths);
    const { dir } = options.config.node.snapshots;
    if (dir !== undefined) removeTemporaries(dir);
    removeFailureFile(data);
    if (options.versions !== undefined && options.isUpgrade !== true)
      recordDataVersions(data, options.versions);
    return await recordBoot(data, components, options);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new Failure('preflight', `the data folder ${data} cannot be written: ${reasonOf(error)}`, {
      hint: 'fix that, or choose another one: --data-dir',
      cause: error,
    });
  }
}
