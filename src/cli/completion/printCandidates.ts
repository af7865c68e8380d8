import { readdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Command } from 'commander';
import { client } from '../../control/client.ts';
import { exitCodes } from '../../lib/errors.ts';
import { nodePaths } from '../../lib/paths.ts';
import { readBootRecord } from '../../observe/records/bootRecord.ts';
import type { NodeStatus } from '../../observe/state/status.ts';
import { complete } from './candidates.ts';
import type { Names } from './candidates.ts';

/** `k8s-single __complete -- WORDS`, which the completion scripts run: prints what can replace the last word. */
export async function printCandidates(cli: Command, words: readonly string[]): Promise<number> {
  const completion = await complete(cli, words, names);
  if (typeof completion === 'string') console.log(`:${completion}`);
  else for (const { value, description } of completion) console.log(`${value}\t${description}`);
  return exitCodes.ok;
}

const names: Names = {
  nodes: async () => readdir(dirname(nodePaths('any').run)).catch(() => []),
  components: async (name = process.env['K8S_SINGLE_NAME'] ?? 'default') => {
    const { controlSocket, data } = nodePaths(name);
    // An error message would garble the command line: without a node there are no candidates.
    const running = await client<NodeStatus>(controlSocket)
      .status()
      .catch(() => undefined);
    const components =
      running?.components ?? (await readBootRecord(data).catch(() => undefined))?.stages ?? [];
    return components.map((component) => component.name);
  },
};
