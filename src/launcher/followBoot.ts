import type { FileHandle } from 'node:fs/promises';
import { unix } from '../../probes/kinds/unix.ts';
import { until } from '../../probes/until.ts';
import type { NodeConfig } from '../config/schema/node.ts';
import { client } from '../control/client.ts';
import type { Entered } from '../sandbox/hold.ts';
import { nodePaths } from '../lib/paths.ts';
import { createReporter } from '../observe/terminal/reporter.ts';
import type { Reporter } from '../observe/terminal/reporter.ts';
import { LiveState } from '../observe/state/state.ts';
import { readBootRecord } from '../observe/records/bootRecord.ts';
import type { UpOptions } from '../supervisor/options.ts';

/** Shows the boot of a node in its box: true when it is ready, false when it has ended before that. */
export async function followBoot(
  entered: Entered,
  options: UpOptions,
  { name, dataDir }: Pick<NodeConfig, 'name' | 'dataDir'>,
): Promise<boolean> {
  const { controlSocket, data } = nodePaths(name, dataDir);
  const ended = new AbortController();
  const end = (): void => ended.abort();
  entered.exited.then(end, end);
  try {
    // How long the boot may take is decided inside.
    await until(unix(controlSocket), { timeoutMs: Number.POSITIVE_INFINITY }, ended.signal);
    const { stages } = await readBootRecord(data);
    const reporter = await createReporter({ output: options.output, stages });
    try {
      const names = stages.map((stage) => stage.name);
      return await untilReady(controlSocket, names, reporter, ended.signal);
    } finally {
      await reporter.end();
    }
  } catch (error) {
    if (!ended.signal.aborted) throw error;
    return false;
  }
}

/** All that a node in its box has said since byte `from`, also when the file has gone with it. */
export async function supervisorLog(log: FileHandle, from = 0): Promise<string> {
  const { size } = await log.stat();
  // It was rotated meanwhile.
  const start = from > size ? 0 : from;
  // An empty buffer is refused.
  const { buffer, bytesRead } = await log.read({ buffer: Buffer.alloc(size - start + 1), position: start });
  return buffer.toString('utf8', 0, bytesRead).trimEnd();
}

async function untilReady(
  controlSocket: string,
  names: readonly string[],
  reporter: Reporter,
  ended: AbortSignal,
): Promise<boolean> {
  const state = new LiveState(names, Date.now());
  for await (const event of client(controlSocket).events(ended)) {
    state.add(event);
    reporter.emit(event);
    if (state.isReady) return true;
  }
  return false;
}
