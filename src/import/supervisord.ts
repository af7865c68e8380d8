import { Failure, reasonOf } from '../lib/errors.ts';
import { readSections } from './ini.ts';
import type { ConfigSection } from './ini.ts';
import { programsOf } from './program.ts';
import type { Program } from './program.ts';
import { expandExpressions, keyValues } from './values.ts';
import { writeYaml } from './writeYaml.ts';

/** A supervisord config as a config of k8s-single. */
export interface Imported {
  /** The YAML for `up --config`. */
  readonly yaml: string;
  /** What has no counterpart, for the user; also in the comments of the YAML. */
  readonly notes: readonly string[];
}

/**
 * Translates the supervisord config `file`, and the files it includes, into components.
 * @throws Failure `usage` for a file that supervisord would refuse, too, or without programs.
 */
export async function importSupervisord(
  file: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<Imported> {
  const sections = await readSections(file);
  const inSection = <Value>(section: string, translate: () => Value): Value => {
    try {
      return translate();
    } catch (error) {
      throw new Failure('usage', `${file}: [${section}]: ${reasonOf(error)}`, { cause: error });
    }
  };
  const global = sections.find(({ name }) => name === 'supervisord');
  const environment = inSection('supervisord', () => environmentOf(global));
  const groups = groupsOf(sections);
  const programs = sections
    .filter(({ name }) => name.startsWith('program:'))
    .flatMap((section) => {
      const name = section.name.slice('program:'.length).trim();
      const group = groups.get(name);
      const context = { group: group?.name ?? name, groupPriority: group?.priority, environment, env };
      return inSection(section.name, () => programsOf(section, context));
    })
    .sort((a, b) => a.priorities[0] - b.priorities[0] || a.priorities[1] - b.priorities[1]);
  if (programs.length === 0) throw new Failure('usage', `${file} has no [program:NAME] section`);

  const named = withUniqueNames(programs);
  const notes = sections.flatMap((section) => sectionNotes(section));
  return {
    yaml: writeYaml(named, notes),
    notes: [...notes, ...named.flatMap((program) => program.notes.map((note) => `${program.name}: ${note}`))],
  };
}

function environmentOf(global: ConfigSection | undefined): Record<string, string> {
  return keyValues(expandExpressions(global?.options.get('environment') ?? '', { here: global?.dir ?? '' }));
}

/** The groups and their priorities, by program. */
function groupsOf(sections: readonly ConfigSection[]): Map<string, { name: string; priority: number }> {
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

/** Makes the names valid and unique: duplicates get the name of their group as prefix. */
function withUniqueNames(programs: readonly Program[]): Program[] {
  const named = new Map<string, Program>();
  for (const program of programs) {
    const valid = program.name.replaceAll(/[^\w.-]/g, '-').replace(/^[^A-Za-z0-9]+/, '');
    const name = named.has(valid) ? `${program.group}-${valid}` : valid;
    named.set(name, { ...program, name });
  }
  return [...named.values()];
}

/** Notes on sections and global options without counterpart. */
function sectionNotes({ name, options }: ConfigSection): string[] {
  if (name.startsWith('program:') || name.startsWith('group:')) return [];
  if (name !== 'supervisord') return [`[${name}] has no counterpart`];
  const own = [...options.keys()].filter((option) => !['environment', 'nodaemon'].includes(option));
  return own.length === 0 ? [] : [`[supervisord] ${own.join(', ')}: no counterpart`];
}
