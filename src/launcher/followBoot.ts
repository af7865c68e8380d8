import { unix } from '../../probes/kinds/unix.ts';
import { Unhealthy } from '../../probes/probe.ts';
import type { Probe } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import { client } from '../control/client.ts';
import { readNodeFile } from '../instance/nodeFile.ts';
import { describePort } from '../config/schema/ports.ts';
import { sortByDependencies, transitiveDependents } from '../engine/graph.ts';
import { checkDisk } from '../host/diskSpace.ts';
import { nodeCommand } from '../lib/commandLine.ts';
import { exitCodes } from '../lib/errors.ts';
import { nodePaths } from '../lib/paths.ts';
import { readBootRecord } from '../observe/records/bootRecord.ts';
import { describeReason } from '../observe/state/describe.ts';
import { isBlocking, LiveState } from '../observe/state/state.ts';
import type { Stage, State } from '../observe/state/state.ts';
import { createReporter } from '../observe/terminal/reporter.ts';
import type { SandboxedProcess } from '../sandbox/sandbox.ts';
import type { BootSpec } from '../supervisor/bootSpec.ts';
import type { Launch, Supervisor } from './launch.ts';

/**
 * Shows the boot of a node. Resolves with 0 only when it is ready; with that of `notReady` also when a component failed and the others
 * run on.
 * @param detach then it lives on without this process
 */
export async function followUntilReady(
  supervisor: Supervisor,
  launch: Launch,
  spec: BootSpec,
  { detach }: { readonly detach: boolean },
): Promise<number> {
  const { name } = spec.config.node;
  const failed = await followBoot(supervisor, spec);
  // Without its node file the node has ended since: it is the exit code and the log that say why.
  const file = failed === undefined ? undefined : await readNodeFile(name).catch(() => undefined);
  if (failed !== undefined && file !== undefined) {
    if (detach) await supervisor.detach();
    const { level, message, remedy } = supervisor.egress;
    if (level !== 'ok') console.error(`egress: ${message}; ${remedy}`);
    for (const port of file.ports ?? []) console.error(`published: ${describePort(port)}`);
    if (file.url !== undefined) console.error(`see it in a browser: ${file.url}`);
    if (failed.length === 0) return exitCodes.ok;
    console.error(`node ${name} runs on without ${failed.join(', ')}: ${nodeCommand('status', { name })}`);
    return exitCodes.notReady;
  }
  const code = await supervisor.exitCode;
  const log = await launch.log();
  if (log !== '' || code === exitCodes.ok) console.error(log);
  else console.error(lostLog(spec, code));
  if (code === exitCodes.ok)
    console.error(
      `node ${name} was taken down ${failed === undefined ? 'before it was ready' : 'as soon as it was ready'}`,
    );
  return code || exitCodes.notReady;
}

/** The reason of a node that could not even write its log, which is on the disk of its data. */
function lostLog({ config: { node } }: BootSpec, code: number): string {
  const { data, logs } = nodePaths(node.name, node.dataDir);
  return `k8s-single: node ${node.name} has ended with exit code ${code}, and nothing is in ${logs}: ${checkDisk(data).message}`;
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
  // The supervisor knows how long the boot may take.
  const forAsLongAsItLives = {
    timeoutMs: Number.POSITIVE_INFINITY,
    attemptTimeoutMs: Number.POSITIVE_INFINITY,
  };
  try {
    await until(unix(controlSocket), { timeoutMs: Number.POSITIVE_INFINITY }, ended.signal);
    const { stages } = await readBootRecord(data);
    const reporter = await createReporter({ output: options.output, stages, startedAt });
    try {
      const state = new LiveState(
        stages.map(({ name }) => name),
        Date.now(),
      );
      let seen = 0;
      let failed: readonly string[] | undefined;
      const isComplete: Probe = async () => {
        let index = 0;
        for await (const event of client(controlSocket).events(ended.signal)) {
          // A new connection begins with the events that the last one has brought.
          if (index++ < seen) continue;
          seen = index;
          state.add(event);
          reporter.emit(event);
          failed = state.isReady ? [] : failedAtEnd(stages, state.components);
          if (failed === undefined) continue;
          for (const line of notWaitedFor(state.components, config.node.name)) reporter.print(line);
          return;
        }
        // A connection that ends says nothing of the node: it may be closed before the exit is seen. Only the exit counts.
        throw new Unhealthy('the node closed the connection');
      };
      await until(isComplete, forAsLongAsItLives, ended.signal);
      return failed;
    } finally {
      await reporter.end();
    }
  } catch (error) {
    if (!ended.signal.aborted) throw error;
    return undefined;
  }
}

/** A line for each optional component that is not ready. */
function notWaitedFor(state: State, name: string): string[] {
  const status = nodeCommand('status', { name });
  return [...state.values()]
    .filter((each) => each.optional && each.phase !== 'ready')
    .map((each) => {
      const reason = describeReason(each, Date.now());
      return `${each.name} is not ready yet${reason && ` (${reason})`}, and the node does not wait for it: ${status}`;
    });
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
  return [...state.values()].every((each) => !isBlocking(each) || blocked.has(each.name))
    ? failed
    : undefined;
}
