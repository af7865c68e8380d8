import { readdirSync } from 'node:fs';
import { nodeName } from '../lib/paths.ts';

/** The names of nodes that have a folder in this one; none if it cannot be read. */
export function nodeNamesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => nodeName.test(name));
  } catch {
    return [];
  }
}
