import { createHash } from 'node:crypto';
import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../../probes/errorCode.ts';
import { parseJson } from '../../../probes/transport/json.ts';
import { writeFileAtomically } from '../../lib/atomicFile.ts';

/**
 * The cipher suites of TLS 1.2 that the CIS Kubernetes Benchmark accepts (1.2.29, 4.2.12), and HTTP/2 requires one of. Those of
 * TLS 1.3 are fixed.
 */
export const cipherSuites = [
  'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
  'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
  'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
  'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384',
] as const;

/** `--name=value` for each entry. An undefined value leaves the flag out. */
export function flags(values: Readonly<Record<string, string | number | boolean | undefined>>): string[] {
  return Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `--${name}=${value}`);
}

/**
 * The flags that a program lists in its `--help`. A table of versions would be wrong where a distribution
 * patches a program. Cached in `<cacheDir>/flags` until the program's file changes.
 */
export async function knownFlags(file: string, cacheDir: string): Promise<ReadonlySet<string>> {
  const { size, mtimeMs } = await stat(file);
  const key = createHash('sha256').update(`${file} ${size} ${mtimeMs}`).digest('hex').slice(0, 16);
  const cacheFile = join(cacheDir, 'flags', `${key}.json`);
  const cached = parseJson(await readFile(cacheFile, 'utf8').catch(() => ''));
  if (isFlags(cached)) return new Set(cached);
  const known = await flagsInHelp(file);
  try {
    await mkdir(join(cacheDir, 'flags'), { recursive: true });
    await writeFileAtomically(cacheFile, JSON.stringify(known));
  } catch (error) {
    // The program is asked again next time.
    if (errorCode(error) === undefined) throw error;
  }
  return new Set(known);
}

/** Whether this is what the cache is to have; a program may have no flags. */
function isFlags(cached: unknown): cached is string[] {
  return Array.isArray(cached) && cached.every((flag) => typeof flag === 'string');
}

/** Ignores the exit code: older components print their help on stderr and exit with 2. */
async function flagsInHelp(file: string): Promise<string[]> {
  // Loaded on demand: with the answer in the cache, a supervisor does not need execa.
  const { execa } = await import('execa');
  const { all } = await execa(file, ['--help'], { all: true, reject: false });
  // A few have an underscore; the programs know them with a hyphen, too (WordSepNormalizeFunc of component-base).
  return [...(all ?? '').matchAll(/^\s+(?:-\w, )?--([a-z0-9_-]+)/gm)].map(([, flag]) =>
    flag!.replaceAll('_', '-'),
  );
}
