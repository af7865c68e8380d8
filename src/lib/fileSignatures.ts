import { statSync } from 'node:fs';
import { isAbsolute } from 'node:path';

/** Something that changes with each file whose absolute path is anywhere in a value, such as that of a Corefile in a config. */
export function fileSignatures(value: unknown): readonly string[] {
  if (typeof value === 'object' && value !== null) return Object.values(value).flatMap(fileSignatures);
  if (typeof value !== 'string' || !isAbsolute(value)) return [];
  const stat = statSync(value, { throwIfNoEntry: false });
  return stat?.isFile() === true ? [`${value} ${stat.ino} ${stat.mtimeMs} ${stat.size}`] : [];
}
