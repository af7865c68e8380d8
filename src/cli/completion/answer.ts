import { readdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Command } from 'commander';
import { client } from '../../control/client.ts';
import { exitCodes } from '../../lib/errors.ts';
import { nodePaths } from '../../lib/paths.ts';
import type { NodeStatus } from '../../observe/state/status.ts';
import { readBootRecord } from '../../observe/records/bootRecord.ts';
import { complete } from './candidates.ts';
import type { Names } from './candidates.ts';

/** `k8s-single __complete -- WORDS`, which the shells ask: prints what can stand in place of the last word. */
export async function answerShell(cli: Command, words: readonly string[]): Promise<number> {
  const found = await complete(cli, words, names);
  if (typeof found === 'string') console.log(`:${found}`);
  else for (const { value, description } of found) console.log(`${value}\t${description}`);
  return exitCodes.ok;
}

const names: Names = {
  nodes: async () => readdir(dirname(nodePaths('any').run)).catch(() => []),
  components: async (name = process.env['K8S_SINGLE_NAME'] ?? 'default') => {
    const { controlSocket, data } = nodePaths(name);
    // Whoever presses the tab key has no use for a reason: of a node that is not there, there is nothing to name.
    const running = await client<NodeStatus>(controlSocket)
      .status()
      .catch(() => undefined);
    const known = running?.components ?? (await readBootRecord(data).catch(() => undefined))?.stages ?? [];
    return known.map((component) => component.name);
  },
};
