import { statSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { at, parseJson, textAt } from '../../../probes/transport/json.ts';
import { Failure } from '../../lib/errors.ts';
import type { FindResult } from './find.ts';
import type { BinarySpec } from './needs.ts';

const looksLikeVersion = /(\d+\.\d+(?:\.\d+)*[\w.+~-]*)/;

/** What each file answered; as long as it is the same file it is not asked again. */
type Answers = Record<string, { readonly mtimeMs: number; readonly size: number; readonly version: string }>;

/**
 * Asks a binary for its version, in 30 s at most.
 *
 * @throws Failure `install` with the command and its output when it cannot be run or answers something else.
 */
export async function askVersion(need: BinarySpec, path: string): Promise<string> {
  const file = need.files?.[0] === undefined ? path : join(path, need.files[0]);
  // Seldom needed, and half of what finding takes to load.
  const { execa } = await import('execa');
  const result = await execa(file, need.ask, {
    reject: false,
    all: true,
    stdin: 'ignore',
    timeout: 30_000,
    forceKillAfterDelay: false,
    killSignal: 'SIGKILL',
  });
  const version = (need.says ?? looksLikeVersion).exec(result.all)?.[1];
  if (result.exitCode === 0 && version !== undefined) return version;
  const said = result.all.trim().split('\n').slice(-20).join('\n') || result.shortMessage || 'nothing';
  throw new Failure(
    'install',
    `${need.name} does not tell its version\n$ ${[file, ...need.ask].join(' ')}\n${said}`,
    {
      hint: `remove ${file}, or give one that runs here with --bin-dir`,
      cause: result,
    },
  );
}

/**
 * The version of each binary by its need's name. Answers are kept in `cacheFile` until a binary's size or mtime
 * changes, so that nothing is started when nothing is new.
 */
export async function versionsOf(
  needs: readonly BinarySpec[],
  { found }: FindResult,
  cacheFile: string,
): Promise<ReadonlyMap<string, string>> {
  const known = await readAnswers(cacheFile);
  const fresh: Answers = {};
  const answered = await Promise.all(
    needs.map(async (need) => {
      const path = found.get(need.name)?.path ?? need.name;
      const { mtimeMs, size } = statSync(path);
      const old = at(known, path);
      const said = textAt(old, 'version');
      const isSame = at(old, 'mtimeMs') === mtimeMs && at(old, 'size') === size;
      if (isSame && said !== '') return [need.name, said] as const;
      const version = await askVersion(need, path);
      fresh[path] = { mtimeMs, size, version };
      return [need.name, version] as const;
    }),
  );
  if (Object.keys(fresh).length > 0) await writeAnswers(cacheFile, { ...known, ...fresh });
  return new Map(answered);
}

/** Missing or torn: everything is asked anew. */
async function readAnswers(file: string): Promise<object> {
  const known = parseJson(await readFile(file, 'utf8').catch(() => ''));
  return typeof known === 'object' && known !== null ? known : {};
}

async function writeAnswers(file: string, all: object): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  const half = `${file}.${process.pid}`;
  await writeFile(half, `${JSON.stringify(all, undefined, 1)}\n`);
  await rename(half, file);
}
