import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { nodeCommand } from '../lib/commandLine.ts';
import type { Component, Event } from '../engine/component.ts';
import type { Config } from '../config/config.ts';
import { maskEvent, maskerOf } from '../config/yaml/secrets.ts';
import { removeStaleSocket } from '../control/socket.ts';
import { Failure, reasonOf } from '../lib/errors.ts';
import type { CheckResult } from '../host/checkResult.ts';
import { nodePaths } from '../lib/paths.ts';
import type { Paths } from '../lib/paths.ts';
import { createReporter } from '../observe/terminal/reporter.ts';
import type { OutputMode } from '../observe/terminal/reporter.ts';
import { keepRotated } from '../observe/logs/rotation.ts';
import { startGraph } from '../engine/startGraph.ts';
import { serveControlApi } from './serveControlApi.ts';
import { recordBoot } from '../observe/records/bootRecord.ts';
import type { SaveBoot } from '../observe/records/bootRecord.ts';
import { controlledNode, createEventStore } from './controlApi.ts';
import { forgetFailure } from '../observe/records/failureFile.ts';
import type { Listener } from './listener.ts';
import type { StopRequests } from '../lib/stopRequests.ts';
import { forwardLogs, componentsToForward } from './forwardLogs.ts';
import { withTimedProbes } from './timedProbes.ts';

/** Where and how a graph is run. */
export interface GraphOptions {
  readonly config: Config;
  readonly ip: string;
  /** Of the node's binaries, by name. */
  readonly versions?: Readonly<Record<string, string>>;
  /** None for a graph without Kubernetes. */
  readonly kubectl?: string;
  readonly ctr?: string;
  readonly snapshotter?: string;
  /** What was found of the machine: what is not as it should be is said. */
  readonly findings: readonly CheckResult[];
  readonly output: OutputMode;
  readonly stops: StopRequests;
  /** Listens for the page and the metrics. */
  readonly port: Listener | undefined;
}

/**
 * Brings a graph up, shows it, serves its control socket, and resolves with 0 when it was asked to stop and has stopped.
 * @throws Failure when it could not go on, after everything was stopped and explained.
 */
export async function runGraph(components: readonly Component[], site: GraphOptions): Promise<number> {
  const { config, ip, kubectl, ctr, snapshotter, output, stops } = site;
  const { node } = config;
  const paths = nodePaths(node.name, node.dataDir);
  await removeStaleSocket(paths.controlSocket, node.name);
  const saveBoot = await begin(components, site, paths);
  const forward = componentsToForward(node.logs.forward, components);
  const reporter = await createReporter({ output: outputWith(forward, output), stages: components });
  for (const { level, subject, message } of site.findings)
    if (level !== 'fine') reporter.print(`${subject}: ${message}`);
  const memory = createEventStore(components);
  const hide = await maskerOf(config);
  const emit = (happened: Event): void => {
    const event = maskEvent(happened, hide);
    memory.add(event);
    reporter.emit(event);
  };
  const record = async (): Promise<void> =>
    saveBoot(memory.events()).catch((error: unknown) =>
      reporter.print(`this boot is not recorded: ${reasonOf(error)}`),
    );
  const rotation = keepRotated(paths.logs, {
    maxBytes: node.logs.maxMiB * 1024 * 1024,
    keep: node.logs.keep,
    onError: (error) => reporter.print(`logs are not rotated: ${reasonOf(error)}`),
  });
  const forwarding = forward.length > 0 && (await forwardLogs(paths.logs, forward, output === 'json'));
  try {
    const server = node.network.server === undefined ? {} : { server: node.network.server };
    const kubernetes =
      kubectl === undefined || ctr === undefined
        ? {}
        : {
            kubectl,
            ctr,
            ...(snapshotter && { snapshotter }),
            kubeconfig: join(paths.kubeconfigs, 'admin.conf'),
            ...server,
          };
    const nodeFile = { name: node.name, pid: process.pid, ip, dataDir: paths.data, ...kubernetes };
    const logsCommand = (component?: string): string =>
      nodeCommand('logs', node, ...(component === undefined ? [] : [component]));
    const timed = components.map((component) => withTimedProbes(component, memory.looks.add));
    const running = startGraph(timed, {
      emit,
      logDir: paths.logs,
      timeoutMs: node.timeouts.boot,
      logsCommand,
    });
    const down = (): void => void running.down().catch(() => undefined);
    stops.send(down);
    running.ready.then(record, () => undefined);
    const asked = controlledNode(node.name, memory, { running, logDir: paths.logs, down });
    const page = { name: node.name, components, state: memory.state, events: memory.events };
    const places = { controlSocket: paths.controlSocket, nodeFile, port: site.port, page };
    const answering = await serveControlApi(asked, places).catch(async (error: unknown) => {
      await running.down().catch(() => undefined);
      throw error;
    });
    if (answering.url !== undefined) reporter.print(`see it in a browser: ${answering.url}`);
    try {
      await running.done;
    } finally {
      await answering.close();
    }
    return 0;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const happened = { components, events: memory.events() };
    const { explainFailure } = await import('./explainFailure.ts');
    const { text, failure } = await explainFailure(error, happened, { ...paths, config });
    if (text !== undefined) reporter.print(text);
    throw failure;
  } finally {
    await record();
    await rotation[Symbol.asyncDispose]();
    if (forwarding !== false) await forwarding[Symbol.asyncDispose]();
    await reporter.end();
  }
}

/** What is drawn in place, as on a terminal, leaves no room for lines in between. */
function outputWith(forward: readonly string[], output: OutputMode): OutputMode {
  if (forward.length === 0 || (output !== 'auto' && output !== 'pretty')) return output;
  if (output === 'auto') return 'plain';
  throw new Failure('usage', 'logs are not forwarded into --output pretty, which draws in place', {
    hint: 'take --output plain, or leave out what asks for it: --forward-logs, K8S_SINGLE_FORWARD_LOGS, logs.forward',
  });
}

/** Makes the folders and begins the record of this boot: the first look at whether anything can be written there. */
async function begin(
  components: readonly Component[],
  site: GraphOptions,
  { data, run, logs }: Paths,
): Promise<SaveBoot> {
  try {
    for (const folder of [data, run, logs]) mkdirSync(folder, { recursive: true, mode: 0o700 });
    forgetFailure(data);
    return await recordBoot(data, components, site);
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    throw new Failure('preflight', `the data folder ${data} cannot be written: ${reasonOf(error)}`, {
      hint: 'mend that, or choose another one: --data-dir',
      cause: error,
    });
  }
}
