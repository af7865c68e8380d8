import { readFile } from 'node:fs/promises';
import { ok } from './checkResult.ts';
import type { CheckResult } from './checkResult.ts';

export async function checkSwap(): Promise<CheckResult> {
  // Filename, Type, Size in KiB, Used, Priority (proc(5)); the first line is the heading.
  const lines = (await readFile('/proc/swaps', 'utf8').catch(() => '')).trim().split('\n').slice(1);
  const kib = lines.reduce((sum, line) => sum + Number(line.split(/\s+/)[2]), 0);
  return ok(
    'swap',
    kib === 0 ? 'off' : `${Math.round(kib / 1024)} MiB: the kubelet is configured to accept it`,
  );
}
