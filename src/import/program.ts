import { hostname } from 'node:os';
import { expand } from './expand.ts';
import type { Expansions } from './expand.ts';
import type { Found } from './files.ts';
import { autorestart, converters, logFile } from './options.ts';
import type { Converted } from './options.ts';
import { keyValues, shellWords } from './words.ts';

/** One process of a supervisord config. */
export interface Program {
  readonly name: string;
  readonly group: string;
  /** Of its group and of itself; lower starts first, and 999 is the default. */
  readonly priorities: readonly [number, number];
  /** The component in our config. */
  readonly component: Readonly<Record<string, unknown>>;
  /** What has no counterpart there. */
  readonly notes: readonly string[];
}

/** What a `[program:x]` is read against. */
export interface Context {
  readonly group: string;
  /** Without a `[group:x]`, the program's own. */
  readonly groupPriority: number | undefined;
  /** The variables of `[supervisord]`. */
  readonly environment: Readonly<Record<string, string>>;
  /** The environment of today, to see which values would not be one word. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Options that are not converted one by one. */
const together = new Set(
  [
    ['command', 'process_name', 'numprocs', 'numprocs_start', 'priority', 'environment'],
    ['autorestart', 'exitcodes', 'stdout_logfile', 'stderr_logfile', 'redirect_stderr'],
  ].flat(),
);

/**
 * The processes of a `[program:x]`: one, or `numprocs`.
 * @throws Error when supervisord would refuse it, too.
 */
export function programsOf(section: Found, context: Context): Program[] {
  const count = Number(section.options.get('numprocs') ?? 1);
  const first = Number(section.options.get('numprocs_start') ?? 0);
  return Array.from({ length: count }, (_, index) =>
    programOf(section, context, { numprocs: count, process_num: first + index }),
  );
}

function programOf({ name: title, options, here }: Found, context: Context, numbers: Expansions): Program {
  const { group, groupPriority, environment, env } = context;
  const program = title.slice(title.indexOf(':') + 1).trim();
  const known: Expansions = {
    here,
    program_name: program,
    group_name: group,
    host_node_name: hostname(),
    ...numbers,
    ...asExpansions(environment),
  };
  const own = keyValues(expand(options.get('environment') ?? '', known));
  const all: Expansions = { ...known, ...asExpansions(own) };
  const get = (option: string): string | undefined => {
    const value = options.get(option);
    return value === undefined ? undefined : expand(value, all);
  };
  const command = shellWords(get('command') ?? '');
  if (command.length === 0) throw new Error('it has no command');
  const priority = Number(get('priority') ?? 999);
  const { component, notes } = componentOf(command, { ...environment, ...own }, [...options.keys()], get);
  return {
    name: get('process_name') ?? program,
    group,
    priorities: [groupPriority ?? priority, priority],
    component,
    notes: [...notes, ...splitLater(options.get('command') ?? '', env)],
  };
}

function componentOf(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
  options: readonly string[],
  get: (option: string) => string | undefined,
): Pick<Program, 'component' | 'notes'> {
  const converted = options
    .filter((option) => !together.has(option))
    .map((option) => converters[option]?.(get(option) ?? '') ?? { note: `${option}=${get(option)}` });
  const all: Converted[] = [
    autorestart(get('autorestart'), get('exitcodes')),
    logFile(get('stdout_logfile'), get('stderr_logfile'), get('redirect_stderr')),
    ...converted,
  ];
  const stop = merged(all.map((one) => one.stop));
  const component = {
    command,
    ...(Object.keys(env).length > 0 && { env }),
    ...merged(all.map(({ keys }) => keys)),
    // One program that is given up never takes supervisord down.
    restart: { onFailure: 'keepOthers', ...merged(all.map(({ restart }) => restart)) },
    ...(Object.keys(stop).length > 0 && { stop }),
  };
  return { component, notes: [...new Set(all.flatMap(({ note }) => note ?? []))] };
}

function merged(parts: readonly (object | undefined)[]): object {
  return Object.fromEntries(parts.flatMap((part) => Object.entries(part ?? {})));
}

function asExpansions(variables: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(variables).map(([name, value]) => [`ENV_${name}`, value]));
}

/** supervisord splits the words after it has put the values in; a reference is a part of one word. */
function splitLater(command: string, env: Context['env']): string[] {
  const names = [...command.matchAll(/%\(ENV_(\w+)\)s/g)].map((match) => match[1] ?? '');
  return names
    .filter((name) => /[\s'"\\]/.test(env[name] ?? ''))
    .map((name) => `the value of ${name} is more than one word today, and stays one word here`);
}
