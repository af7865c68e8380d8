import { Failure, reasonOf } from '../lib/errors.ts';
import { expand } from './expand.ts';
import { readSections } from './files.ts';
import type { Found } from './files.ts';
import { programsOf } from './program.ts';
import type { Program } from './program.ts';
import { writeComponents } from './yaml.ts';
import { keyValues } from './words.ts';

/** A supervisord config as a config of ours. */
export interface Imported {
  /** The YAML, ready to be written to a file and run by `up --config`. */
  readonly yaml: string;
  /** What has no counterpart, for a person to read; it is in the YAML's comments, too. */
  readonly notes: readonly string[];
}

/**
 * Converts the supervisord config `file`, and what it includes, into components.
 * @throws Failure `usage` when supervisord would refuse it, too.
 */
export async function importSupervisord(
  file: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<Imported> {
  const sections = await readSections(file);
  const at = <Value>(section: string, convert: () => Value): Value => {
    try {
      return convert();
    } catch (error) {
      throw new Failure('usage', `${file}: [${section}]: ${reasonOf(error)}`, { cause: error });
    }
  };
  const global = sections.find(({ name }) => name === 'supervisord');
  const environment = at('supervisord', () => environmentOf(global));
  const groups = groupsOf(sections);
  const programs = sections
    .filter(({ name }) => name.startsWith('program:'))
    .flatMap((section) => {
      const name = section.name.slice('program:'.length).trim();
      const group = groups.get(name);
      const context = { group: group?.name ?? name, groupPriority: group?.priority, environment, env };
      return at(section.name, () => programsOf(section, context));
    })
    .sort((a, b) => a.priorities[0] - b.priorities[0] || a.priorities[1] - b.priorities[1]);
  if (programs.length === 0) throw new Failure('usage', `${file} has no [program:NAME] section`);

  const named = withUniqueNames(programs);
  const others = sections.flatMap((section) => othersOf(section));
  return {
    yaml: writeComponents(named, others),
    notes: [...others, ...named.flatMap(({ name, notes }) => notes.map((note) => `${name}: ${note}`))],
  };
}

function environmentOf(global: Found | undefined): Record<string, string> {
  return keyValues(expand(global?.options.get('environment') ?? '', { here: global?.here ?? '' }));
}

/** The group, and its priority, of each program that a `[group:x]` names. */
function groupsOf(sections: readonly Found[]): Map<string, { name: string; priority: number }> {
  const groups = new Map<string, { name: string; priority: number }>();
  for (const { name, options } of sections.filter((section) => section.name.startsWith('group:'))) {
    const group = {
      name: name.slice('group:'.length).trim(),
      priority: Number(options.get('priority') ?? 999),
    };
    for (const program of (options.get('programs') ?? '').split(',')) groups.set(program.trim(), group);
  }
  return groups;
}

/** A component's name has no blanks and is nobody else's. */
function withUniqueNames(programs: readonly Program[]): Program[] {
  const named = new Map<string, Program>();
  for (const program of programs) {
    const plain = program.name.replaceAll(/[^\w.-]/g, '-').replace(/^[^A-Za-z0-9]+/, '');
    const name = named.has(plain) ? `${program.group}-${plain}` : plain;
    named.set(name, { ...program, name });
  }
  return [...named.values()];
}

/** Sections, and options of supervisord itself, that have no counterpart. */
function othersOf({ name, options }: Found): string[] {
  if (name.startsWith('program:') || name.startsWith('group:')) return [];
  if (name !== 'supervisord') return [`[${name}] has no counterpart`];
  const own = [...options.keys()].filter((option) => !['environment', 'nodaemon'].includes(option));
  return own.length === 0 ? [] : [`[supervisord] ${own.join(', ')}: no counterpart`];
}
