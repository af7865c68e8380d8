import { mkdir } from 'node:fs/promises';
import type { Component, Event } from '../component.ts';
import { toComponents } from '../config/components.ts';
import { loadConfig } from '../config/load.ts';
import type { NodeConfig } from '../config/node.ts';
import { Failure } from '../errors.ts';
import type { Box } from '../isolate/box.ts';
import { kubernetesNode } from '../node/index.ts';
import { nodePaths } from '../paths.ts';
import { createReporter } from '../report/reporter.ts';
import { up } from '../up.ts';
import { settle } from './ground.ts';
import { factsOf } from './nodeFacts.ts';
import { withOptions } from './options.ts';
import type { UpOptions } from './options.ts';
import { StopRequests } from './stopRequests.ts';

/**
 * Runs the graph in this process until it is asked to stop or cannot go on, and resolves with the exit code. Here is
 * where everything meets: the ground it stands on, the graph, the reporter, the control socket.
 * @throws Failure when it ended because of one, after everything was stopped.
 */
export async function runNode(options: UpOptions, box: Box | undefined): Promise<number> {
  const stops = new StopRequests();
  const named = withOptions(await loadConfig(options.config), options).node;
  const ground = await settle(named, box);
  try {
    const config = withOptions(await loadConfig(options.config, { ip: ground.ip }), options);
    const components = toComponents(config, await builtIns(options, config.node, ground.ip));
    return await runGraph(components, options, config.node, stops);
  } finally {
    await ground.leave();
    stops.close();
  }
}

async function builtIns(options: UpOptions, node: NodeConfig, ip: string): Promise<Component[]> {
  return node.kubernetes === false ? [] : kubernetesNode(await factsOf(options, node, ip));
}

async function runGraph(
  components: readonly Component[],
  { output }: UpOptions,
  node: NodeConfig,
  stops: StopRequests,
): Promise<number> {
  const paths = nodePaths(node.name, node.dataDir);
  await Promise.all([paths.data, paths.run].map((folder) => mkdir(folder, { recursive: true, mode: 0o700 })));
  const reporter = await createReporter({ output, stages: components });
  const emit = (event: Event): void => reporter.emit(event);
  try {
    const running = up(components, { emit, logDir: paths.logs, timeoutMs: node.timeouts.boot });
    stops.send(() => void running.down().catch(() => undefined));
    await running.done;
    return 0;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw error;
  } finally {
    await reporter.end();
  }
}
