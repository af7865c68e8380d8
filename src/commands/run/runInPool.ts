import type { Argv } from '../../host/tool.ts';
import { nodeCommand } from '../../lib/commandLine.ts';
import { exitCodes } from '../../lib/errors.ts';
import type { Signals } from '../../lib/signals.ts';
import { formatMs } from '../../lib/text/text.ts';
import type { NodeEnd } from '../../pool/protocol.ts';
import { takeNode } from '../../pool/take.ts';
import { loadNodeConfig } from '../../supervisor/options.ts';
import type { UpOptions } from '../../supervisor/options.ts';
import { answers } from './answers.ts';
import { environmentOf } from './environment.ts';
import { outputOfGone, printOutput } from './output.ts';
import { runCommand } from './runCommand.ts';

/**
 * Runs the command with a node of the pool, which is gone then. Resolves with its exit code, as `run` does; undefined if the pool has
 * no node of this config that is ready.
 */
export async function runInPool(
  command: Argv,
  options: UpOptions,
  { keepOnFailure, signals }: { readonly keepOnFailure: boolean; readonly signals: Signals },
): Promise<number | undefined> {
  const config = await signals.interruptible(loadNodeConfig(options));
  const node = await signals.interruptible(takeNode(config, options));
  if (node === 'otherConfig')
    console.error('the nodes of the pool have another config: this one is started anew');
  if (node === 'lost')
    console.error('the pool does not hand a node over: this one is started anew; see k8s-single pool status');
  if (typeof node === 'string') return undefined;
  const { file, ended, remove, keep } = node;
  const readyMs = performance.now();
  let end: NodeEnd | undefined;
  const over = new AbortController();
  void ended.then((how) => {
    end = how;
    over.abort();
  });
  const env = environmentOf(file, config.node);
  const code = await runCommand(command, { env, signals, signal: over.signal });
  const commandMs = performance.now();
  if (code !== 0 && end === undefined && !(await answers(file.name))) end = await ended;
  if (end !== undefined) {
    await remove();
    printOutput(outputOfGone(end.output, file.dataDir));
    console.error(`node ${file.name} ended before the command did`);
    return end.code || exitCodes.notReady;
  }
  if (code !== 0 && keepOnFailure) {
    keep();
    console.error(`node ${file.name} is kept: ${nodeCommand('kubectl', file, '--', 'get', 'pods', '-A')}`);
    console.error(`remove it with: ${nodeCommand('down', file, '--purge')}`);
    return code;
  }
  await remove();
  const goneMs = performance.now();
  console.error(
    `node ${file.name} of the pool: ready after ${formatMs(readyMs)}, the command took ${formatMs(commandMs - readyMs)} ` +
      `(exit code ${code}), gone after ${formatMs(goneMs - commandMs)}: ${formatMs(goneMs)} in all`,
  );
  return code;
}
