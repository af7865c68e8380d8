import { access, readdir, readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { Failure, reasonOf } from '../lib/errors.ts';
import { currentText, expandExpressions } from './values.ts';
import type { Environment } from './values.ts';

/** A section with its options by lower-case name. The last value of a duplicate option counts. */
interface Section {
  readonly name: string;
  readonly options: Map<string, string>;
}

/** A section of a supervisord config, merged from all files that contain it. */
export interface ConfigSection extends Section {
  /** The first file that contains it. */
  readonly file: string;
  /** The directory of the main file, which is the value of `%(here)s`. */
  readonly dir: string;
}

/** A supervisord config, with the files it includes. */
export interface SupervisordConfig {
  readonly sections: readonly ConfigSection[];
  /** Included files that are not read. */
  readonly notes: readonly string[];
}

/**
 * Reads a supervisord config and the files it includes. As in supervisord, sections of the same name are merged, an option of a
 * later file replaces the earlier one, and an included file cannot include others.
 * @throws Failure `usage` for an unreadable file, invalid syntax, or an include pattern with an unknown name.
 */
export async function readConfig(file: string, env: Environment): Promise<SupervisordConfig> {
  const dir = dirname(resolve(file));
  const sections = new Map<string, ConfigSection>();
  mergeInto(sections, await readSections(file), { file, dir });
  const notes: string[] = [];
  for (const pattern of includePatterns(sections.get('include'), env)) {
    const matches = await glob(resolve(dir, pattern));
    if (matches.length === 0) notes.push(`[include] ${pattern}: no file matches`);
    for (const match of matches) {
      const included = await readSections(match).catch((error: unknown) => {
        // supervisord ignores an included file or directory that it cannot read.
        if (error instanceof Unreadable) return undefined;
        throw error;
      });
      if (included === undefined) notes.push(`[include] ${match}: it cannot be read`);
      else mergeInto(sections, included, { file: match, dir });
    }
  }
  sections.delete('include');
  return { sections: withDefaults(sections), notes };
}

/** Adds the sections of one file. `%(here)s` is the directory of the file that contains it. */
function mergeInto(
  sections: Map<string, ConfigSection>,
  added: readonly Section[],
  { file, dir }: { readonly file: string; readonly dir: string },
): void {
  const here = dirname(resolve(file)).replaceAll('%', '%%');
  for (const { name, options } of added) {
    const section = sections.get(name) ?? { name, options: new Map(), file, dir };
    sections.set(name, section);
    for (const [option, value] of options)
      section.options.set(
        option,
        value.replaceAll('%(here)s', () => here),
      );
  }
}

/** The patterns in `files` of `[include]`, with their expressions replaced by current values. */
function includePatterns(include: ConfigSection | undefined, env: Environment): string[] {
  const files = include?.options.get('files') ?? '';
  try {
    const known = { here: include?.dir ?? '', host_node_name: hostname() };
    return currentText(expandExpressions(files, known), env).text.split(/\s+/).filter(Boolean);
  } catch (error) {
    throw new Failure('usage', `${include?.file}: [include]: files: ${reasonOf(error)}`, { cause: error });
  }
}

/** The sections, with the options of `[DEFAULT]` in each of them, as in Python's RawConfigParser. */
function withDefaults(sections: Map<string, ConfigSection>): ConfigSection[] {
  const defaults = sections.get('DEFAULT')?.options ?? new Map<string, string>();
  sections.delete('DEFAULT');
  for (const { options } of sections.values())
    for (const [name, value] of defaults) if (!options.has(name)) options.set(name, value);
  return [...sections.values()];
}

class Unreadable extends Failure {}

async function readSections(file: string): Promise<Section[]> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new Unreadable('usage', `cannot read ${file}: ${reasonOf(error)}`, { cause: error });
  });
  return parseIni(text, file);
}

/** The files that match an absolute path like Python's `glob.glob`: `*`, `?` and `[...]` in any component, sorted. */
async function glob(path: string): Promise<string[]> {
  let found = ['/'];
  for (const part of path.split('/').filter(Boolean))
    found = (await Promise.all(found.map(async (dir) => matchesIn(dir, part)))).flat();
  return found.sort();
}

async function matchesIn(dir: string, part: string): Promise<string[]> {
  if (!/[*?[]/.test(part)) {
    const path = join(dir, part);
    return access(path).then(
      () => [path],
      () => [],
    );
  }
  const form = fileNameForm(part);
  const names = await readdir(dir).catch(() => []);
  return names.filter((name) => form.test(name)).map((name) => join(dir, name));
}

/** The form of the file names that match a pattern. Only a pattern with a leading dot matches hidden files. */
function fileNameForm(pattern: string): RegExp {
  const form = pattern.replaceAll(
    /\[(!?)(\]?[^\]]*)\]|[^]/g,
    (whole, negation: string, characters?: string) => {
      if (characters !== undefined)
        return `[${negation && '^'}${characters.replaceAll(/[\\^[\]]/g, String.raw`\$&`)}]`;
      if (whole === '*') return '.*';
      return whole === '?' ? '.' : whole.replace(/[.+^${}()|[\]\\/]/, String.raw`\$&`);
    },
  );
  return new RegExp(pattern.startsWith('.') ? `^${form}$` : `^(?!\\.)${form}$`, 's');
}

/**
 * Parses an INI file like Python's RawConfigParser in supervisord's configuration: `=` or `:` between name and value, indented
 * lines continue a value, `;` and `#` start a comment at the start of a line or after a blank.
 * @throws Failure `usage` with `file:line` for any other line.
 * @internal exported for tests
 */
export function parseIni(text: string, file: string): Section[] {
  const sections = new Map<string, Section>();
  let section: Section | undefined;
  let option: { readonly name: string; readonly indent: number } | undefined;
  const continueValue = (line: string): void => {
    if (option !== undefined)
      section?.options.set(option.name, `${section.options.get(option.name)}\n${line}`);
  };
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.replace(/(^|\s)[;#].*$/, '').trimEnd();
    const indent = line.search(/\S/);
    if (indent === -1) {
      // An empty line continues a value, a comment does not.
      if (raw.trim() === '') continueValue('');
      continue;
    }
    if (option !== undefined && indent > option.indent) {
      continueValue(line.trim());
      continue;
    }
    const header = /^\s*\[(?<name>[^\]]+)\]/.exec(line)?.groups?.['name'];
    if (header !== undefined) {
      section = sections.get(header) ?? { name: header, options: new Map() };
      sections.set(header, section);
      option = undefined;
      continue;
    }
    const [, name, value] = /^\s*([^\s=:][^=:]*?)\s*[=:]\s*(.*)$/.exec(line) ?? [];
    if (section === undefined || name === undefined)
      throw new Failure('usage', `${file}:${index + 1}: expected [section] or name=value`);
    option = { name: name.toLowerCase(), indent };
    section.options.set(option.name, value ?? '');
  }
  for (const { options } of sections.values())
    for (const [name, value] of options) options.set(name, value.trimEnd());
  return [...sections.values()];
}
