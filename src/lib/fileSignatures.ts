import { readdirSync, statSync } from 'node:fs';
import type { Stats } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';

/** Where files are looked for besides absolute paths. */
interface Places {
  /** Where relative paths start. Default: only absolute ones count. */
  readonly dir?: string;
  /** Whether the files in a folder count, if its path is in the value. */
  readonly inFolders?: boolean;
}

/** Something that changes with each file whose path is anywhere in a value, such as that of a Corefile in a config. */
export function fileSignatures(value: unknown, places: Places = {}): readonly string[] {
  if (typeof value === 'object' && value !== null)
    return Object.values(value).flatMap((each) => fileSignatures(each, places));
  if (typeof value !== 'string' || !(isAbsolute(value) || places.dir !== undefined)) return [];
  const path = resolve(places.dir ?? '/', value);
  const stat = statOf(path);
  if (stat?.isFile() === true) return [signature(path, stat)];
  if (stat?.isDirectory() !== true || places.inFolders !== true) return [];
  return readdirSync(path).map((name) => signature(name, statOf(join(path, name))));
}

function signature(name: string, stat: Stats | undefined): string {
  return `${name} ${stat?.ino} ${stat?.mtimeMs} ${stat?.size}`;
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    // Nothing there, or no path at all, such as a script.
    return undefined;
  }
}
