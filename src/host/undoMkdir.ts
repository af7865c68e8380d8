import { rmdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { nearestExisting } from './snapshotter.ts';

/** {@link undoMkdir} of several. */
export function undoMkdirAll(folders: readonly string[]): () => void {
  const all = folders.map(undoMkdir);
  return () => {
    for (const unmake of all) unmake();
  };
}

/** To be called before a folder is made: what takes it back, and those above it that are missing now, as far as nothing is in them. */
export function undoMkdir(folder: string): () => void {
  const kept = nearestExisting(folder);
  return () => {
    try {
      for (let each = folder; each !== kept; each = dirname(each)) rmdirSync(each);
    } catch {
      // Somebody has put something there meanwhile.
    }
  };
}
