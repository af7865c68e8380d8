import { isDeepStrictEqual } from 'node:util';
import { client } from '../control/client.ts';
import { exitCodes, Failure } from '../lib/errors.ts';
import { sortByDependencies } from '../engine/graph.ts';
import { graphDot } from '../observe/diagrams/graphDot.ts';
import { graphMermaid } from '../observe/diagrams/graphMermaid.ts';
import { graphText } from '../observe/diagrams/graphText.ts';
import { drawingOf } from '../observe/diagrams/graph.ts';
import type { Drawing } from '../observe/diagrams/graph.ts';
import type { Stage } from '../observe/state/state.ts';
import { styleFor } from '../observe/terminal/style.ts';
import { readBootRecord } from '../observe/records/bootRecord.ts';
import { loadNodeConfig } from '../supervisor/options.ts';
import type { ConfigOptions } from '../supervisor/options.ts';
import { ifRunning, locateNode } from '../instance/locateNode.ts';
import { plannedGraph, plannedWorker } from '../supervisor/plannedGraph.ts';

interface GraphOptions extends ConfigOptions {
  readonly output: 'text' | 'mermaid' | 'dot';
  readonly worker?: boolean;
}

/**
 * `k8s-single graph`: the graph of the config or, without `--config`, of the last boot. With the times of that boot if it had
 * the same graph. With `--worker`, the graph of a worker with this config.
 */
export async function graph({ output, worker, ...options }: GraphOptions): Promise<number> {
  const config = await loadNodeConfig(options);
  if (worker === true) {
    process.stdout.write(`${render(drawingOf(plannedWorker(config), []), output)}\n`);
    return exitCodes.ok;
  }
  const { data, controlSocket } = await locateNode(config.node);
  const record = await readBootRecord(data).catch((error: unknown) => {
    // The node was never up: show the planned graph.
    if (error instanceof Failure) return undefined;
    throw error;
  });
  const isPlan = options.config !== undefined || record === undefined;
  const stages: readonly Stage[] = isPlan ? plannedGraph(config) : sortByDependencies(record.stages);
  const isLastBoot = record !== undefined && isDeepStrictEqual(needsOf(stages), needsOf(record.stages));
  const events = isLastBoot
    ? ((await ifRunning(async () => client(controlSocket).history())) ?? record.events)
    : [];
  process.stdout.write(`${render(drawingOf(stages, events), output)}\n`);
  return exitCodes.ok;
}

function needsOf(stages: readonly Stage[]): ReadonlyMap<string, Stage['needs']> {
  return new Map(stages.map(({ name, needs }) => [name, needs]));
}

function render(drawing: Drawing, output: GraphOptions['output']): string {
  switch (output) {
    case 'mermaid':
      return graphMermaid(drawing);
    case 'dot':
      return graphDot(drawing);
    case 'text':
      return graphText(drawing, styleFor(process.stdout, process.env));
  }
}
