import { constants, hostname } from 'node:os';
import type { ConfigSection } from './ini.ts';
import { expandExpressions, keyValues, shellWords } from './values.ts';
import type { Expansions } from './values.ts';

/** One process of a supervisord config. */
export interface Program {
  readonly name: string;
  readonly group: string;
  /** The priorities of the group and of the program; lower starts first, the default is 999. */
  readonly priorities: readonly [number, number];
  /** The component in our config. */
  readonly component: Readonly<Record<string, unknown>>;
  /** What has no counterpart in our config. */
  readonly notes: readonly string[];
}

/** The surroundings of a `[program:x]`. */
export interface ProgramContext {
  readonly group: string;
  /** Without a `[group:x]`, the program's own priority is used. */
  readonly groupPriority: number | undefined;
  /** The variables of `[supervisord]`. */
  readonly environment: Readonly<Record<string, string>>;
  /** The current environment, to find values that supervisord would split into several words. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * The processes of a `[program:x]`: one, or `numprocs`.
 * @throws Error for options that supervisord would refuse, too.
 */
export function programsOf(section: ConfigSection, context: ProgramContext): Program[] {
  const count = Number(section.options.get('numprocs') ?? 1);
  const first = Number(section.options.get('numprocs_start') ?? 0);
  return Array.from({ length: count }, (_, index) =>
    programOf(section, context, { numprocs: count, process_num: first + index }),
  );
}

function programOf(
  { name: title, options, dir }: ConfigSection,
  { group, groupPriority, environment, env }: ProgramContext,
  numbers: Expansions,
): Program {
  const program = title.slice(title.indexOf(':') + 1).trim();
  const known: Expansions = {
    here: dir,
    program_name: program,
    group_name: group,
    host_node_name: hostname(),
    ...numbers,
    ...asExpansions(environment),
  };
  const own = keyValues(expandExpressions(options.get('environment') ?? '', known));
  const all: Expansions = { ...known, ...asExpansions(own) };
  const get = (option: string): string | undefined => {
    const value = options.get(option);
    return value === undefined ? undefined : expandExpressions(value, all);
  };
  const command = shellWords(get('command') ?? '');
  if (command.length === 0) throw new Error('it has no command');
  const priority = Number(get('priority') ?? 999);
  const { component, notes } = translateOptions(
    command,
    { ...environment, ...own },
    [...options.keys()],
    get,
  );
  return {
    name: get('process_name') ?? program,
    group,
    priorities: [groupPriority ?? priority, priority],
    component,
    notes: [...notes, ...unsplitValues(options.get('command') ?? '', env)],
  };
}

function asExpansions(variables: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(variables).map(([name, value]) => [`ENV_${name}`, value]));
}

/** supervisord expands variables before it splits the command; in our config a reference is always part of one word. */
function unsplitValues(command: string, env: ProgramContext['env']): string[] {
  const names = [...command.matchAll(/%\(ENV_(\w+)\)s/g)].map((match) => match[1] ?? '');
  return names
    .filter((name) => /[\s'"\\]/.test(env[name] ?? ''))
    .map((name) => `splitting of ${name}: its current value has several words, but a reference is one word`);
}

/** The options that are not translated one by one by {@link translators}. */
const handledOptions = new Set(
  (
    'command process_name numprocs numprocs_start priority environment ' +
    'autorestart exitcodes stdout_logfile stderr_logfile redirect_stderr'
  ).split(' '),
);

function translateOptions(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
  options: readonly string[],
  get: (option: string) => string | undefined,
): Pick<Program, 'component' | 'notes'> {
  const translated = options
    .filter((option) => !handledOptions.has(option))
    .map((option) => translators[option]?.(get(option) ?? '') ?? { note: `${option}=${get(option)}` });
  const all: Translation[] = [
    translateAutorestart(get('autorestart'), get('exitcodes')),
    translateLogFiles(get('stdout_logfile'), get('stderr_logfile'), get('redirect_stderr')),
    ...translated,
  ];
  const stop = merge(all.map((one) => one.stop));
  const component = {
    command,
    ...(Object.keys(env).length > 0 && { env }),
    ...merge(all.map(({ keys }) => keys)),
    // supervisord keeps running when it stops restarting a program.
    restart: { onFailure: 'keepOthers', ...merge(all.map(({ restart }) => restart)) },
    ...(Object.keys(stop).length > 0 && { stop }),
  };
  return { component, notes: [...new Set(all.flatMap(({ note }) => note ?? []))] };
}

function merge(parts: readonly (object | undefined)[]): object {
  return Object.fromEntries(parts.flatMap((part) => Object.entries(part ?? {})));
}

/** The translation of an option: keys of a component, and a note on what has no counterpart. */
interface Translation {
  readonly keys?: Readonly<Record<string, unknown>>;
  readonly restart?: Readonly<Record<string, string>>;
  readonly stop?: Readonly<Record<string, string>>;
  readonly note?: string;
}

/** The translations of single options, from a value with its expressions already expanded. */
const translators: Readonly<Record<string, (value: string) => Translation>> = {
  autostart: (value) => (isTrue(value) ? {} : { keys: { enabled: false } }),
  startsecs: (value) => ({ restart: { resetAfter: `${value}s` } }),
  startretries: (value) => ({ restart: { maxFailures: value } }),
  stopsignal: (value) => ({ stop: { signal: signalName(value) } }),
  stopwaitsecs: (value) => ({ stop: { grace: `${value}s` } }),
  directory: (value) => ({ keys: { workingDir: value } }),
  user: (value) => ({ keys: { user: value }, note: 'the supplementary groups of the user' }),
  stdout_logfile_maxbytes: logRotation,
  stdout_logfile_backups: logRotation,
  stderr_logfile_maxbytes: logRotation,
  stderr_logfile_backups: logRotation,
  stopasgroup: groupSignals,
  killasgroup: groupSignals,
};

/** A component has one log for both streams. */
function translateLogFiles(stdout = 'auto', stderr = 'auto', isRedirected = 'false'): Translation {
  const both = [stdout, isTrue(isRedirected) ? 'auto' : stderr];
  const [out, err] = both.map((file) => (/^(none|off|auto)$/i.test(file) ? undefined : file));
  const own = [out, err].find((file) => file !== undefined && !notRegular.test(file));
  const lost = [out, err].filter((file) => file !== undefined && file !== own);
  return {
    ...(own !== undefined && { keys: { logFile: own } }),
    ...(lost.length > 0 && {
      note: `log file ${lost.join(' and ')}: both streams go to the same regular file`,
    }),
  };
}

/** Logs that are not regular files: terminals, the output of supervisord itself, syslog. */
const notRegular = /^(\/dev\/.*|\/proc\/.*|syslog)$/;

/** With the default, `unexpected`, supervisord does not restart a program that exits with one of `exitcodes`. */
function translateAutorestart(value = 'unexpected', exitcodes = '0'): Translation {
  if (/^(no|false|off|0)$/i.test(value)) return { restart: { when: 'never' } };
  if (value.toLowerCase() !== 'unexpected') return {};
  return {
    note: `no restart after exit code ${exitcodes}: the component is always restarted (for a step that ends, set \`task: true\`)`,
  };
}

function isTrue(value: string): boolean {
  return /^(yes|true|on|1)$/i.test(value);
}

function groupSignals(value: string): Translation {
  return isTrue(value) ? {} : { note: 'signals to one process: they always go to the whole process group' };
}

function logRotation(): Translation {
  return { note: 'log rotation of its own: logs.maxMiB and logs.keep apply to all components' };
}

/** `TERM`, `SIGTERM` or `15` as `SIGTERM`. */
function signalName(value: string): string {
  const byNumber = Object.entries(constants.signals).find(([, number]) => String(number) === value)?.[0];
  return byNumber ?? `SIG${value.toUpperCase().replace(/^SIG/, '')}`;
}
