import { statSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { at, parseJson, textAt } from '../../../probes/transport/json.ts';
import { writeFileAtomically } from '../../lib/atomicFile.ts';
import { Failure } from '../../lib/errors.ts';
import { errorCode } from '../../../probes/errorCode.ts';
import type { BinarySpec } from './binaries.ts';
import type { FindResult } from './findBinaries.ts';

const defaultPattern = /(\d+\.\d+(?:\.\d+)*[\w.+~-]*)/;

/** The version of each file, valid as long as its mtime and size stay. */
type CachedVersions = Record<
  string,
  { readonly mtimeMs: number; readonly size: number; readonly version: string }
>;

/**
 * Runs a binary to get its version, for at most 30 s.
 *
 * @throws Failure `install` with the command and its output when it cannot be run or prints no version.
 */
export async function versionOf(binary: BinarySpec, path: string): Promise<string> {
  const file = binary.files?.[0] === undefined ? path : join(path, binary.files[0]);
  // Rarely needed, and half of the time that finding takes to load.
  const { execa } = await import('execa');
  const result = await execa(file, binary.versionArgs, {
    reject: false,
    all: true,
    stdin: 'ignore',
    timeout: 30_000,
    forceKillAfterDelay: false,
    killSignal: 'SIGKILL',
  });
  const version = (binary.versionPattern ?? defaultPattern).exec(result.all)?.[1];
  if (result.exitCode === 0 && version !== undefined) return version;
  const output = result.all.trim().split('\n').slice(-20).join('\n') || result.shortMessage || 'nothing';
  throw new Failure(
    'install',
    `${binary.name} does not print its version\n$ ${[file, ...binary.versionArgs].join(' ')}\n${output}`,
    {
      hint: `remove ${file}, or give one that runs on this machine with --bin-dir`,
      cause: result,
    },
  );
}

/**
 * The version of each binary by its name. Versions are kept in `cacheFile` until a binary's size or mtime changes, so that no
 * process is started when nothing has changed.
 */
export async function versionsOf(
  binaries: readonly BinarySpec[],
  { found }: FindResult,
  cacheFile: string,
): Promise<ReadonlyMap<string, string>> {
  const cached = await readCache(cacheFile);
  const fresh: CachedVersions = {};
  const versions = await Promise.all(
    binaries.map(async (binary) => {
      const path = found.get(binary.name)?.path ?? binary.name;
      const { mtimeMs, size } = statSync(path);
      const known = at(cached, path);
      const knownVersion = textAt(known, 'version');
      const isSame = at(known, 'mtimeMs') === mtimeMs && at(known, 'size') === size;
      if (isSame && knownVersion !== '') return [binary.name, knownVersion] as const;
      const version = await versionOf(binary, path);
      fresh[path] = { mtimeMs, size, version };
      return [binary.name, version] as const;
    }),
  );
  if (Object.keys(fresh).length > 0) await writeCache(cacheFile, { ...cached, ...fresh });
  return new Map(versions);
}

/** Empty when the file is missing or torn. */
async function readCache(file: string): Promise<object> {
  const cached = parseJson(await readFile(file, 'utf8').catch(() => ''));
  return typeof cached === 'object' && cached !== null ? cached : {};
}

/** When it cannot be written, the binaries are run again next time. */
async function writeCache(file: string, versions: object): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFileAtomically(file, `${JSON.stringify(versions, undefined, 1)}\n`);
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
  }
}
