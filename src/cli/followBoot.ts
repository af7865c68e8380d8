import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { unix } from '../../probes/unix.ts';
import { until } from '../../probes/until.ts';
import { toComponents } from '../config/components.ts';
import type { NodeConfig } from '../config/node.ts';
import { client } from '../control/client.ts';
import type { Binaries } from '../install/install.ts';
import type { Entered } from '../isolate/enter.ts';
import { kubernetesNode } from '../node/index.ts';
import { nodePaths } from '../paths.ts';
import { createReporter } from '../report/reporter.ts';
import type { Reporter } from '../report/reporter.ts';
import { apply, initialState } from '../report/state.ts';
import { summarize } from '../report/summary.ts';
import { factsOf } from './nodeFacts.ts';
import { configFor } from './options.ts';
import type { UpOptions } from './options.ts';

/** Shows the boot of a node in its box until it is ready, then leaves it running; or until it ends, and says why. */
export async function followBoot(
  entered: Entered,
  options: UpOptions,
  node: NodeConfig,
  binaries: Binaries,
): Promise<number> {
  const { controlSocket, logs } = nodePaths(node.name, node.dataDir);
  // Only its names and edges are looked at: the address is known in the box alone.
  const config = await configFor(options);
  const stages = toComponents(config, kubernetesNode(factsOf(node, binaries, '127.0.0.1')));
  const reporter = await createReporter({ output: options.output, stages });
  const ended = new AbortController();
  const exited = entered.exited.finally(() => ended.abort());
  try {
    const names = stages.map(({ name }) => name);
    if (await readySeen(controlSocket, names, reporter, ended.signal)) {
      await entered.detach();
      return 0;
    }
  } finally {
    await reporter.end();
  }
  const code = await exited;
  // It has ended before it was ready: what it said is in its log.
  console.error(await readFile(join(logs, 'supervisor.log'), 'utf8'));
  return code;
}

/** True when everything is ready; false when the node ended before that. */
async function readySeen(
  controlSocket: string,
  names: readonly string[],
  reporter: Reporter,
  ended: AbortSignal,
): Promise<boolean> {
  try {
    // How long the boot may take is decided inside.
    await until(unix(controlSocket), { timeoutMs: Number.POSITIVE_INFINITY }, ended);
    let state = initialState(names, Date.now());
    for await (const event of client(controlSocket).events(ended)) {
      state = apply(state, event);
      reporter.emit(event);
      if (summarize(state).is === 'ready') return true;
    }
  } catch (error) {
    if (!ended.aborted) throw error;
  }
  return false;
}
