import { readFileSync } from 'node:fs';
import { runHelper } from '../helper/helper.ts';
import type { HelperOptions } from '../helper/options.ts';
import { runMain } from './runMain.ts';
import { setV8Flags } from './v8Flags.ts';

/**
 * The helper of a node: `node helper.cjs FILE`, with its options as JSON in the file. It works for the cluster as a client of
 * its API: DNS, storage and load balancing. Ends with 0 at SIGTERM.
 */
async function main(): Promise<number> {
  setV8Flags();
  const options: HelperOptions = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8'));
  const end = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => end.abort());
  await runHelper(options, end.signal);
  return 0;
}

void runMain(main);
