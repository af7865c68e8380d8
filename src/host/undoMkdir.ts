import { rmdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { nearestExisting } from '../lib/paths.ts';

/** {@link undoMkdir} for several folders. */
export function undoMkdirAll(folders: readonly string[]): () => void {
  const undos = folders.map(undoMkdir);
  return () => {
    for (const undo of undos) undo();
  };
}

/** Call it before creating a folder. The result removes the folder and its ancestors that are missing now, as long as they are empty. */
export function undoMkdir(folder: string): () => void {
  const existing = nearestExisting(folder);
  return () => {
    try {
      for (let each = folder; each !== existing; each = dirname(each)) rmdirSync(each);
    } catch {
      // No longer empty.
    }
  };
}
