import { existsSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * A new folder for logs that nobody reads, the caller's to remove. In memory where there is a place for that: some file systems
 * take as long to make a file as is measured here for all the rest.
 */
export async function scratch(): Promise<string> {
  const memory = '/dev/shm';
  return mkdtemp(join(existsSync(memory) ? memory : tmpdir(), 'k8s-single-bench-'));
}
