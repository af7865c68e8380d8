import { writeFileSync } from 'node:fs';
import type { Argv } from '../host/tool.ts';

/** One mount as in fstab(5): what, where, of which type (`none` for a bind), how. */
export type FstabLine = readonly [source: string, place: string, type: string, options: string];

/**
 * Writes the mounts into `file` and gives the one command that makes them all, in this order: one mount(8) for each would
 * take 2 ms each. Beware: it leaves out what it finds mounted, even where something else hides it by now, and goes
 * by source and place. So no line may say what a line of the host could say, too.
 */
export function mountAll(file: string, lines: readonly FstabLine[]): Argv {
  writeFileSync(file, lines.map((line) => `${line.map(escape).join(' ')}\n`).join(''));
  return ['mount', '--no-mtab', '--all', '--fstab', file];
}

/** Blanks and backslashes stand as octal escapes. */
function escape(field: string): string {
  return field.replaceAll(
    /[\s\\#]/g,
    (character) => `\\${character.codePointAt(0)!.toString(8).padStart(3, '0')}`,
  );
}
