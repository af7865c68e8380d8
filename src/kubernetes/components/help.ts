import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Asks a program's `--help` which flags it knows: safer than a table of versions, which distributions patch. The answer
 * is remembered in `<cacheDir>/flags` for as long as the file does not change.
 */
export async function knownFlags(file: string, cacheDir: string): Promise<ReadonlySet<string>> {
  const { size, mtimeMs } = await stat(file);
  const key = createHash('sha256').update(`${file} ${size} ${mtimeMs}`).digest('hex').slice(0, 16);
  const remembered = join(cacheDir, 'flags', `${key}.json`);
  const text = await readFile(remembered, 'utf8').catch(() => undefined);
  if (text !== undefined) {
    const flags: string[] = JSON.parse(text);
    return new Set(flags);
  }
  const known = await askHelp(file);
  await mkdir(join(cacheDir, 'flags'), { recursive: true });
  const unfinished = `${remembered}.${process.pid}`;
  await writeFile(unfinished, JSON.stringify(known));
  await rename(unfinished, remembered);
  return new Set(known);
}

/** Older components print their help on stderr and exit with 2, so only the text counts. */
async function askHelp(file: string): Promise<string[]> {
  // Once for each program: a supervisor does without it as a rule.
  const { execa } = await import('execa');
  const { all } = await execa(file, ['--help'], { all: true, reject: false });
  return [...(all ?? '').matchAll(/^\s+(?:-\w, )?--([a-z0-9-]+)/gm)].map(([, flag]) => flag!);
}
