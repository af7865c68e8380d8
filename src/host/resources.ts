import { readFile } from 'node:fs/promises';
import { ok, note } from './checkResult.ts';
import type { CheckResult } from './checkResult.ts';

/** LimitNOFILE in etcd's own unit file (contrib/systemd/etcd.service). */
const enoughFiles = 40_000;

/** Node.js raises its own limit to the maximum, and its children inherit that. */
export async function checkOpenFiles(): Promise<CheckResult> {
  const limits = await readFile('/proc/self/limits', 'utf8');
  const limit = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1] ?? 'unknown';
  const subject = 'open files';
  if (!(Number(limit) < enoughFiles)) return ok(subject, `${limit} for each process`);
  return note(
    subject,
    `only ${limit} for each process`,
    `ulimit -n ${enoughFiles}; docker run --ulimit nofile=${enoughFiles}`,
  );
}

export async function checkSwap(): Promise<CheckResult> {
  // Filename, Type, Size in KiB, Used, Priority (proc(5)); the first line is the heading.
  const lines = (await readFile('/proc/swaps', 'utf8').catch(() => '')).trim().split('\n').slice(1);
  const kib = lines.reduce((sum, line) => sum + Number(line.split(/\s+/)[2]), 0);
  return ok(
    'swap',
    kib === 0 ? 'off' : `${Math.round(kib / 1024)} MiB: the kubelet is configured to accept it`,
  );
}
