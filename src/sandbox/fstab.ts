import { writeFileSync } from 'node:fs';
import type { Argv } from '../host/tool.ts';

/** One mount as in fstab(5): source, place, type (`none` for a bind), options. */
export type FstabLine = readonly [source: string, place: string, type: string, options: string];

/**
 * Writes the mounts to `file` and returns the one command that makes them all in this order: one mount(8) each would take
 * 2 ms each. mount(8) skips what is mounted already, by source and place, even where another mount hides it. So no line may
 * equal a mount of the host.
 */
export function mountAll(file: string, lines: readonly FstabLine[]): Argv {
  writeFileSync(file, lines.map((line) => `${line.map(escape).join(' ')}\n`).join(''));
  return ['mount', '--no-mtab', '--all', '--fstab', file];
}

/** Writes blanks and backslashes as octal escapes. */
function escape(field: string): string {
  return field.replaceAll(
    /[\s\\#]/g,
    (character) => `\\${character.codePointAt(0)!.toString(8).padStart(3, '0')}`,
  );
}
