import {
  copyFileSync,
  cpSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { execa } from 'execa';
import { rolldown } from 'rolldown';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { targetOf } from '../../src/lib/atomicFile.ts';
import { tempDir } from '../support/cli.ts';
import { Failure, reasonOf } from '../../src/lib/errors.ts';
import { packageFile } from '../../src/lib/paths.ts';
import { withFault } from './fsFaults.mjs';
import { assertWhole, writers } from './writers.ts';
import type { Writer } from './writers.ts';

let programs: string;

beforeAll(async () => {
  programs = await mkdtemp('/var/tmp/k8s-single-every-write-');
  const bundle = await rolldown({
    input: join(import.meta.dirname, 'child.ts'),
    platform: 'node',
    // As the product is built.
    transform: { target: 'es2022' },
    logLevel: 'silent',
  });
  await bundle.write({ dir: programs, entryFileNames: '[name].mjs', chunkFileNames: '[name]-[hash].mjs' });
  await bundle.close();
  // The version of the program is in it.
  copyFileSync(packageFile('package.json'), join(programs, 'package.json'));
});

afterAll(async () => rm(programs, { recursive: true }));

interface Entry {
  readonly mode: number;
  /** The target of a link; undefined for a folder. */
  readonly text: string | undefined;
}

/** Everything below a folder, by path. */
function snapshot(dir: string): Map<string, Entry> {
  const entries = readdirSync(dir, { recursive: true, withFileTypes: true }).map((entry) => {
    const path = join(entry.parentPath, entry.name);
    const text = entry.isDirectory()
      ? undefined
      : entry.isSymbolicLink()
        ? readlinkSync(path)
        : readFileSync(path, 'utf8');
    return [relative(dir, path), { mode: lstatSync(path).mode & 0o7777, text }] as const;
  });
  return new Map(entries);
}

/** Kills a process at one of its calls. */
async function kill(name: string, dir: string, at: number): Promise<void> {
  const args = [join(programs, 'child.mjs'), name, dir, String(at)];
  const { signal } = await execa(process.execPath, args, { reject: false });
  expect(signal).toBe('SIGKILL');
}

/** Each file is as before or as after, and as closed; nothing that was there is gone. */
function assertOldOrNew(
  left: Map<string, Entry>,
  old: Map<string, Entry>,
  done: Map<string, Entry>,
  writer: Writer,
): void {
  const { scratch = /^$/, replaceable = /^$/ } = writer;
  for (const [path, { text, mode }] of left) {
    const target = targetOf(path);
    const [was, is] = [old.get(path), done.get(path)];
    if (target !== undefined && was === undefined) {
      const secret = (done.get(target) ?? old.get(target))?.mode === 0o600;
      if (secret) expect([path, mode & 0o077]).toEqual([path, 0]);
      continue;
    }
    if (scratch.test(path)) continue;
    expect([...old.keys(), ...done.keys()]).toContain(path);
    expect([was?.mode, is?.mode]).toContain(mode);
    if (text === undefined || text === was?.text || text === is?.text) continue;
    assertWhole(path, text);
  }
  for (const path of old.keys())
    if (done.has(path) && !replaceable.test(path)) expect([...left.keys()]).toContain(path);
}

const comparable = (entries: Map<string, Entry>) =>
  [...entries].map(([path, { mode }]) => `${mode.toString(8)} ${path}`).toSorted();

describe.each(Object.entries(writers))('%s', (name, writer) => {
  const { old, run, again = run, scratch = /^$/, tolerates = /^$/, every = 1, failure } = writer;

  test('is whole and completed by the next run, whichever write is the last', async () => {
    const base = await tempDir('every-write');
    const [dir, template] = [join(base, 'state'), join(base, 'old')];
    const reset = (): void => {
      rmSync(dir, { recursive: true, force: true });
      cpSync(template, dir, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
    };
    mkdirSync(dir);
    await old?.(dir);
    cpSync(dir, template, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
    reset();
    const before = snapshot(dir);
    await run(dir);
    const done = snapshot(dir);

    /** @returns the number of calls */
    async function failEach(mode: 'stop' | 'error'): Promise<number> {
      for (let at = 1; ; at += every) {
        reset();
        const { hit, error } = await withFault({ root: dir, at, mode }, async () => run(dir));
        try {
          const left = snapshot(dir);
          if (hit === undefined) {
            expect(error).toBeUndefined();
            expect(comparable(left)).toEqual(comparable(done));
            return at - every;
          }
          assertOldOrNew(left, before, done, writer);
          if (mode === 'error' && !tolerates.test(hit)) assertTold(error, dir);
          const isTemporary = (path: string): boolean => targetOf(path) !== undefined && !before.has(path);
          if (mode === 'error' && !hit.startsWith('rm '))
            expect([...left.keys()].filter(isTemporary)).toEqual([]);
          await again(dir);
          const settled = snapshot(dir);
          for (const path of settled.keys()) if (!done.has(path) && scratch.test(path)) settled.delete(path);
          expect(comparable(settled)).toEqual(comparable(done));
          for (const [path, { text }] of settled)
            if (text !== undefined && text !== done.get(path)?.text) assertWhole(path, text);
        } catch (cause) {
          throw new Error(`${mode} at ${at}: ${hit}: ${reasonOf(error)}: ${reasonOf(cause)}`, { cause });
        }
      }
    }

    const calls = await failEach('stop');
    expect(calls).toBeGreaterThan(0);
    await failEach('error');
    // A process that is killed leaves the same as one that stops there.
    const middle = Math.ceil(calls / 2);
    reset();
    await withFault({ root: dir, at: middle, mode: 'stop' }, async () => run(dir));
    const stopped = snapshot(dir);
    reset();
    await kill(name, dir, middle);
    const killed = snapshot(dir);
    assertOldOrNew(killed, before, done, writer);
    // Not their names: some are written concurrently.
    expect(killed.size).toBe(stopped.size);
  }, 60_000);

  /** The failure of a full disk names the file, and has the kind that is documented. */
  function assertTold(error: unknown, dir: string): void {
    if (failure === undefined) {
      expect(error).toBeUndefined();
      return;
    }
    expect(reasonOf(error)).toMatch(/ENOSPC|became full|no space is left/);
    expect(reasonOf(error)).toContain(dir);
    expect(error instanceof Failure ? error.code : 'error').toBe(failure);
  }
});
