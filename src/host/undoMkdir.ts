import { rmdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { existing } from './snapshotter.ts';

/** {@link unmaking} of several. */
export function unmakingAll(folders: readonly string[]): () => void {
  const all = folders.map(unmaking);
  return () => {
    for (const unmake of all) unmake();
  };
}

/** To be called before a folder is made: what takes it back, and those above it that are missing now, as far as nothing is in them. */
export function unmaking(folder: string): () => void {
  const kept = existing(folder);
  return () => {
    try {
      for (let each = folder; each !== kept; each = dirname(each)) rmdirSync(each);
    } catch {
      // Somebody has put something there meanwhile.
    }
  };
}
