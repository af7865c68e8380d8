import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Component, Event } from '../component.ts';
import type { NodeConfig } from '../config/node.ts';
import { serve } from '../control/server.ts';
import { writeNodeFile } from '../nodeFile.ts';
import { nodePaths } from '../paths.ts';
import { createReporter } from '../report/reporter.ts';
import type { OutputMode } from '../report/reporter.ts';
import { up } from '../up.ts';
import { Controlled } from './controlled.ts';
import type { StopRequests } from './stopRequests.ts';

/** Where and how a graph is run. */
export interface Site {
  readonly node: NodeConfig;
  readonly ip: string;
  /** None for a graph without Kubernetes. */
  readonly kubectl?: string;
  readonly output: OutputMode;
  readonly stops: StopRequests;
}

/**
 * Brings a graph up, shows it, serves its control socket, and resolves with 0 when it was asked to stop and has stopped.
 * @throws Failure when it could not go on, after everything was stopped.
 */
export async function runGraph(components: readonly Component[], site: Site): Promise<number> {
  const { node, ip, kubectl, output, stops } = site;
  const paths = nodePaths(node.name, node.dataDir);
  await Promise.all([paths.data, paths.run].map((folder) => mkdir(folder, { recursive: true, mode: 0o700 })));
  const reporter = await createReporter({ output, stages: components });
  const controlled = new Controlled(node.name, components);
  const emit = (event: Event): void => {
    controlled.take(event);
    reporter.emit(event);
  };
  try {
    const running = up(components, { emit, logDir: paths.logs, timeoutMs: node.timeouts.boot });
    const down = (): void => void running.down().catch(() => undefined);
    stops.send(down);
    const kubernetes =
      kubectl === undefined ? {} : { kubectl, kubeconfig: join(paths.kubeconfigs, 'admin.conf') };
    await writeNodeFile({ name: node.name, pid: process.pid, ip, dataDir: paths.data, ...kubernetes });
    const control = await serve(paths.controlSocket, controlled.node(running, down));
    try {
      await running.done;
    } finally {
      await control.close();
    }
    return 0;
  } finally {
    await reporter.end();
  }
}
