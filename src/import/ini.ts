import { Failure } from '../lib/errors.ts';

/** A section's options by their names in lower case. Where one is given twice, the last counts. */
export interface Section {
  readonly name: string;
  readonly options: Map<string, string>;
}

/**
 * The sections of an INI file as Python's RawConfigParser reads them for supervisord: `=` or `:` between name and value,
 * indented lines go on with the value, `;` and `#` begin a comment at the start of a line or after a blank.
 * @throws Failure `usage` with `file:line` for a line that is none of these.
 */
export function parseIni(text: string, file: string): Section[] {
  const sections = new Map<string, Section>();
  let section: Section | undefined;
  let option: { readonly name: string; readonly indent: number } | undefined;
  const goOn = (more: string): void => {
    if (option !== undefined)
      section?.options.set(option.name, `${section.options.get(option.name)}\n${more}`);
  };
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.replace(/(^|\s)[;#].*$/, '').trimEnd();
    const indent = line.search(/\S/);
    if (indent === -1) {
      // An empty line belongs to a value that goes on, a comment does not.
      if (raw.trim() === '') goOn('');
      continue;
    }
    if (option !== undefined && indent > option.indent) {
      goOn(line.trim());
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
