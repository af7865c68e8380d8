import { text } from 'node:stream/consumers';
import { readManifest } from '../kubernetes/addons/readManifest.ts';
import type { ManifestOrder } from '../kubernetes/addons/readManifest.ts';
import { runMain } from './runMain.ts';

/**
 * Reads the manifest of an addon: `node manifest.cjs`, with what to read as JSON on stdin; the objects, as JSON, on stdout. A
 * process of its own because a large manifest takes much time and memory.
 */
async function main(): Promise<number> {
  const order: ManifestOrder = JSON.parse(await text(process.stdin));
  const result = JSON.stringify(await readManifest(order));
  await new Promise((resolve) => process.stdout.write(result, resolve));
  return 0;
}

void runMain(main);
