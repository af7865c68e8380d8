import { unix } from '../../probes/kinds/unix.ts';
import { until } from '../../probes/until.ts';
import { client } from '../control/client.ts';
import { readNodeFile } from '../instance/nodeFile.ts';
import { sortByDependencies, transitiveDependents } from '../engine/graph.ts';
import { nodeCommand } from '../lib/commandLine.ts';
import { exitCodes } from '../lib/errors.ts';
import { nodePaths } from '../lib/paths.ts';
import { readBootRecord } from '../observe/records/bootRecord.ts';
import { LiveState } from '../observe/state/state.ts';
import type { Stage, State } from '../observe/state/state.ts';
import { createReporter } from '../observe/terminal/reporter.ts';
import type { SandboxedProcess } from '../sandbox/sandbox.ts';
import type { BootSpec } from '../supervisor/bootSpec.ts';
import type { Launch } from './launch.ts';

/**
 * Shows the boot of a node, then lets it live on without this process. Resolves with 0 only when it is ready; with that of
 * `notReady` also when a component failed and the others run on.
 */
export async function detachWhenReady(
  supervisor: SandboxedProcess,
  launch: Launch,
  spec: BootSpec,
): Promise<number> {
  const { name } = spec.config.node;
  const failed = await followBoot(supervisor, spec);
  if (failed !== undefined) {
    await supervisor.detach();
    const { url } = await readNodeFile(name);
    if (url !== undefined) console.error(`see it in a browser: ${url}`);
    if (failed.length === 0) return exitCodes.ok;
    console.error(`node ${name} runs on without ${failed.join(', ')}: ${nodeCommand('status', { name })}`);
    return exitCodes.notReady;
  }
  const code = await supervisor.exitCode;
  console.error(await launch.log());
  if (code === exitCodes.ok) console.error(`node ${name} was taken down before it was ready`);
  return code || exitCodes.notReady;
}

/**
 * Shows the boot of a node in its sandbox. Resolves when it is complete: with the components that failed while the others
 * run on, usually none. Resolves with undefined when the node ended before.
 */
export async function followBoot(
  { exitCode }: SandboxedProcess,
  { options, config, startedAt }: BootSpec,
): Promise<readonly string[] | undefined> {
  const { controlSocket, data } = nodePaths(config.node.name, config.node.dataDir);
  const ended = new AbortController();
  const end = (): void => ended.abort();
  exitCode.then(end, end);
  try {
    // The supervisor knows how long the boot may take.
    await until(unix(controlSocket), { timeoutMs: Number.POSITIVE_INFINITY }, ended.signal);
    const { stages } = await readBootRecord(data);
    const reporter = await createReporter({ output: options.output, stages, startedAt });
    try {
      const state = new LiveState(
        stages.map(({ name }) => name),
        Date.now(),
      );
      for await (const event of client(controlSocket).events(ended.signal)) {
        state.add(event);
        reporter.emit(event);
        const failed = state.isReady ? [] : failedAtEnd(stages, state.components);
        if (failed !== undefined) return failed;
      }
      return undefined;
    } finally {
      await reporter.end();
    }
  } catch (error) {
    if (!ended.signal.aborted) throw error;
    return undefined;
  }
}

/**
 * The components that failed, if every other one is ready or depends on one of them; otherwise undefined.
 * @internal exported for tests
 */
export function failedAtEnd(stages: readonly Stage[], state: State): string[] | undefined {
  const failed = [...state.values()].flatMap((each) =>
    each.phase === 'failed' && each.othersKept ? [each.name] : [],
  );
  if (failed.length === 0) return undefined;
  const order = sortByDependencies(stages);
  const blocked = new Set(failed.flatMap((name) => [name, ...transitiveDependents(order, name)]));
  return [...state.values()].every(({ name, phase }) => phase === 'ready' || blocked.has(name))
    ? failed
    : undefined;
}
