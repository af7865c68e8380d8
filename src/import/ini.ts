import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { Failure, reasonOf } from '../lib/errors.ts';

/** A section with its options by lower-case name. The last value of a duplicate option counts. */
interface Section {
  readonly name: string;
  readonly options: Map<string, string>;
}

/** A section of a supervisord config. */
export interface ConfigSection extends Section {
  /** The directory of its file, which is the value of `%(here)s`. */
  readonly dir: string;
}

/**
 * The sections of a supervisord config and of the files it includes.
 * @throws Failure `usage` for an unreadable file or invalid syntax.
 */
export async function readSections(file: string): Promise<ConfigSection[]> {
  const dir = dirname(resolve(file));
  const own = await readFileSections(file, dir);
  const patterns = own.find(({ name }) => name === 'include')?.options.get('files') ?? '';
  const included: ConfigSection[] = [];
  for (const pattern of patterns.split(/\s+/).filter(Boolean)) {
    const path = resolve(
      dir,
      pattern.replaceAll('%(here)s', () => dir),
    );
    for (const match of await glob(path)) included.push(...(await readFileSections(match, dirname(match))));
  }
  return [...own.filter(({ name }) => name !== 'include'), ...included];
}

async function readFileSections(file: string, dir: string): Promise<ConfigSection[]> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new Failure('usage', `cannot read ${file}: ${reasonOf(error)}`, { cause: error });
  });
  return parseIni(text, file).map(({ name, options }) => ({ name, options, dir }));
}

/** The files that match a path with `*` and `?` in its last component, sorted by name. */
async function glob(path: string): Promise<string[]> {
  const dir = dirname(path);
  const pattern = basename(path)
    .replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll('*', '[^/]*')
    .replaceAll('?', '[^/]');
  const names = await readdir(dir).catch(() => []);
  return names
    .filter((name) => new RegExp(`^${pattern}$`).test(name))
    .sort()
    .map((name) => resolve(dir, name));
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
