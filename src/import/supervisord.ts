import { hostname } from 'node:os';
import { Failure, reasonOf } from '../lib/errors.ts';
import { readConfig } from './ini.ts';
import type { ConfigSection } from './ini.ts';
import { Options } from './options.ts';
import { programsOf } from './program.ts';
import type { Program } from './program.ts';
import { keyValues } from './values.ts';
import type { Environment } from './values.ts';
import { writeYaml } from './writeYaml.ts';

/** A supervisord config as a config of k8s-single. */
export interface Imported {
  /** The YAML for `up --config`. */
  readonly yaml: string;
  /** What has no counterpart, for the user; also in the comments of the YAML. */
  readonly notes: readonly string[];
}

/**
 * Translates the supervisord config `file`, and the files it includes, into components. Where our config needs a number or a
 * fixed word, variables have their value in `env`.
 * @throws Failure `usage` for a file that supervisord would refuse, too, or without programs.
 */
export async function importSupervisord(file: string, env: Environment = process.env): Promise<Imported> {
  const { sections, notes: includeNotes } = await readConfig(file, env);
  const named = new Map(sections.map((section) => [section.name, section]));
  const globalSection = named.get('supervisord');
  const globals = globalSection && inSection(globalSection, () => globalsOf(globalSection, env));
  const globalContext = { environment: globals?.environment ?? {}, user: globals?.user, env };
  const groups = sections
    .filter(({ name }) => name.startsWith('group:'))
    .map((section) => inSection(section, () => groupOf(section, { named, env })));
  const grouped = new Set(groups.flatMap(({ programs }) => programs));
  const ungrouped = sections
    .filter((section) => section.name.startsWith('program:') && !grouped.has(section))
    .map((section) => ({ name: programName(section), priority: undefined, programs: [section] }));
  const programs = [...groups, ...ungrouped]
    .flatMap(({ name, priority, programs: members }) =>
      members.flatMap((section) => {
        const context = { ...globalContext, group: name, groupPriority: priority };
        return inSection(section, () => programsOf(section, context));
      }),
    )
    .sort((a, b) => a.priorities[0] - b.priorities[0] || a.priorities[1] - b.priorities[1]);
  if (programs.length === 0) throw new Failure('usage', `${file} has no [program:NAME] section`);

  const unique = withUniqueNames(programs);
  const notes = [
    ...includeNotes,
    ...(globals?.notes ?? []),
    ...groups.flatMap((group) => group.notes),
    ...sections.flatMap((section) => sectionNotes(section)),
  ];
  return {
    yaml: writeYaml(unique, notes),
    notes: [
      ...notes,
      ...unique.flatMap((program) => program.notes.map((note) => `${program.name}: ${note}`)),
    ],
  };
}

/** What `translate` returns. @throws Failure `usage` that names the file and the section, for its errors. */
function inSection<Value>({ file, name }: ConfigSection, translate: () => Value): Value {
  try {
    return translate();
  } catch (error) {
    throw new Failure('usage', `${file}: [${name}]: ${reasonOf(error)}`, { cause: error });
  }
}

function programName({ name }: ConfigSection): string {
  return name.slice(name.indexOf(':') + 1).trim();
}

/** What `[supervisord]` sets for all programs. */
function globalsOf(section: ConfigSection, env: Environment) {
  const known = { here: section.dir, host_node_name: hostname() };
  const options = new Options(section, known, env);
  const user = options.text('user');
  return {
    environment: options.parsed('environment', keyValues) ?? {},
    // A supervisord that runs as root runs programs as root.
    user: user === 'root' || user === '0' ? undefined : user,
    notes: options.notes,
  };
}

interface Group {
  readonly name: string;
  readonly priority: number;
  readonly programs: readonly ConfigSection[];
  readonly notes: readonly string[];
}

function groupOf(
  section: ConfigSection,
  { named, env }: { readonly named: ReadonlyMap<string, ConfigSection>; readonly env: Environment },
): Group {
  const options = new Options(section, { here: section.dir }, env);
  const names = (options.current('programs') ?? '').split(',').map((name) => name.trim());
  const programs = names.flatMap((name) => {
    const program = named.get(`program:${name}`);
    if (program === undefined && !named.has(`fcgi-program:${name}`))
      throw new Error(`programs: there is no program "${name}"`);
    return program ?? [];
  });
  const priority = options.integer('priority', 999);
  return {
    name: programName(section),
    priority,
    programs,
    notes: options.notes.map((note) => `[${section.name}] ${note}`),
  };
}

/** The longest name of a component. */
const longestName = 63;

/** Makes the names valid and unique: duplicates get the name of their group as prefix, and then a number. */
function withUniqueNames(programs: readonly Program[]): Program[] {
  const named = new Map<string, Program>();
  for (const program of programs) {
    const plain = validName(program.name);
    let name = named.has(plain) ? validName(`${program.group}-${program.name}`) : plain;
    for (let i = 2; named.has(name); i += 1) name = `${plain.slice(0, longestName - 4)}-${i}`;
    named.set(name, { ...program, name });
  }
  return [...named.values()];
}

function validName(name: string): string {
  const valid = name.replaceAll(/[^\w.-]/g, '-').replace(/^[^A-Za-z0-9]+/, '');
  return valid.slice(0, longestName) || 'program';
}

/** Notes on sections and global options without counterpart. */
function sectionNotes({ name, options }: ConfigSection): string[] {
  if (name.startsWith('program:') || name.startsWith('group:')) return [];
  if (name !== 'supervisord') return [`[${name}] has no counterpart`];
  const own = [...options.keys()].filter((option) => !['environment', 'nodaemon', 'user'].includes(option));
  return own.length === 0 ? [] : [`[supervisord] ${own.join(', ')}: no counterpart`];
}
