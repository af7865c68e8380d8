import { constants, hostname } from 'node:os';
import { mostFailures } from '../config/schema/componentSpec.ts';
import { longestMs } from '../config/schema/duration.ts';
import { restartDefaults } from '../engine/component.ts';
import type { ConfigSection } from './ini.ts';
import { Options } from './options.ts';
import { keyValues, shellWords } from './values.ts';
import type { Environment, Expansions } from './values.ts';

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
  /** The user of `[supervisord]`, as which supervisord runs all programs. */
  readonly user: string | undefined;
  /** The current environment, for options that our config has to know. */
  readonly env: Environment;
}

/**
 * The processes of a `[program:x]`: `numprocs`, or one that is disabled if that is 0.
 * @throws Error for options that supervisord would refuse, too.
 */
export function programsOf(section: ConfigSection, context: ProgramContext): Program[] {
  const options = new Options(section, expansionsOf(section, context), context.env);
  const count = options.integer('numprocs', 1);
  const first = options.integer('numprocs_start', 0);
  if (count > 1 && !options.source('process_name')?.includes('%(process_num)'))
    throw new Error('process_name: with numprocs above 1 it needs %(process_num)');
  const programs = Array.from({ length: Math.max(count, 1) }, (_, index) =>
    programOf(section, context, { numprocs: count, process_num: first + index }),
  );
  const [head, ...others] = programs;
  if (head === undefined) return [];
  const component = count < 1 ? { ...head.component, enabled: false } : head.component;
  return [{ ...head, component, notes: [...options.notes, ...head.notes] }, ...others];
}

function expansionsOf(
  { name, dir }: ConfigSection,
  { group, environment }: ProgramContext,
): Record<string, string | number> {
  return {
    here: dir,
    program_name: name.slice(name.indexOf(':') + 1).trim(),
    group_name: group,
    host_node_name: hostname(),
    ...asExpansions(environment),
  };
}

function programOf(section: ConfigSection, context: ProgramContext, numbers: Expansions): Program {
  const { group, groupPriority, environment, env } = context;
  const known = { ...expansionsOf(section, context), ...numbers };
  const own = new Options(section, known, env).parsed('environment', keyValues) ?? {};
  const options = new Options(section, { ...known, ...asExpansions(own) }, env);
  const command = options.parsed('command', shellWords);
  if (command === undefined || command.length === 0) throw new Error('it has no command');
  const priority = options.integer('priority', 999);
  const name = options.current('process_name') ?? String(known['program_name']);
  const { component, notes } = translateOptions(options, context.user);
  const variables = { ...environment, ...own };
  return {
    name,
    group,
    priorities: [groupPriority ?? priority, priority],
    component: { command, ...(Object.keys(variables).length > 0 && { env: variables }), ...component },
    notes: [...options.notes, ...notes, ...unsplitValues(options.source('command') ?? '', env)],
  };
}

function asExpansions(variables: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(variables).map(([name, value]) => [`ENV_${name}`, value]));
}

/** supervisord expands variables before it splits the command; in our config a reference is always part of one word. */
function unsplitValues(command: string, env: Environment): string[] {
  const names = [...command.matchAll(/%\(ENV_(\w+)\)s/g)].map((match) => match[1] ?? '');
  return names
    .filter((name) => /[\s'"\\]/.test(env[name] ?? ''))
    .map((name) => `splitting of ${name}: its current value has several words, but a reference is one word`);
}

/** A part of a component, and notes on what has no counterpart. */
interface Translation {
  readonly keys: Readonly<Record<string, unknown>>;
  readonly notes?: readonly (string | undefined)[];
}

/** The options that have a counterpart, or a note of their own. */
const translatedOptions = new Set(
  (
    'command process_name numprocs numprocs_start priority environment autostart autorestart exitcodes startsecs startretries ' +
    'stopsignal stopwaitsecs stopasgroup killasgroup directory user redirect_stderr stdout_logfile stderr_logfile ' +
    'stdout_logfile_maxbytes stdout_logfile_backups stderr_logfile_maxbytes stderr_logfile_backups'
  ).split(' '),
);

function translateOptions(
  options: Options,
  globalUser: string | undefined,
): { component: object; notes: string[] } {
  const others = options.names().filter((name) => !translatedOptions.has(name));
  const all: Translation[] = [
    translateAutostart(options),
    translateAccount(options, globalUser),
    translateLogFiles(options),
    translateRestart(options),
    translateStop(options),
    { keys: {}, notes: others.map((name) => `${name}=${options.text(name)}`) },
  ];
  const notes = all.flatMap((part) => part.notes ?? []).filter((note) => note !== undefined);
  const component = Object.fromEntries(all.flatMap(({ keys }) => Object.entries(keys)));
  return { component, notes };
}

function translateAutostart(options: Options): Translation {
  const enabled = options.boolOrReference('autostart', true);
  return { keys: enabled === true ? {} : { enabled } };
}

function translateAccount(options: Options, globalUser: string | undefined): Translation {
  const directory = options.text('directory');
  const user = options.text('user') ?? globalUser;
  return {
    keys: { ...(directory !== undefined && { workingDir: directory }), ...(user !== undefined && { user }) },
    notes: [user === undefined ? undefined : 'the supplementary groups of the user'],
  };
}

/** A component has one log for both streams. */
function translateLogFiles(options: Options): Translation {
  const isRedirected = options.bool('redirect_stderr', false);
  const both = [options.text('stdout_logfile'), isRedirected ? 'auto' : options.text('stderr_logfile')];
  const [out, err] = both.map((file) =>
    /^(none|off|auto)$/i.test(file ?? 'auto') ? undefined : file?.replace(/^~(?=\/)/, () => '${env:HOME}'),
  );
  const own = [out, err].find((file) => file !== undefined && !notRegular.test(file));
  const lost = [out, err].filter((file) => file !== undefined && file !== own);
  const hasRotation = options.names().some((name) => /_logfile_(maxbytes|backups)$/.test(name));
  return {
    keys: own === undefined ? {} : { logFile: own },
    notes: [
      lost.length > 0
        ? `log file ${lost.join(' and ')}: both streams go to the same regular file`
        : undefined,
      hasRotation ? 'log rotation of its own: logs.maxMiB and logs.keep apply to all components' : undefined,
    ],
  };
}

/** Logs that are not regular files: terminals, the output of supervisord itself, syslog. */
const notRegular = /^(\/dev\/.*|\/proc\/.*|syslog)$/;

/** The longest duration of our config, in s. */
const longestSeconds = Math.floor(longestMs / 1000);

/** The defaults of `restart.maxDelay` and `restart.window`, in s. */
const defaultMaxDelay = restartDefaults.maxDelayMs / 1000;
const defaultWindow = restartDefaults.windowMs / 1000;

function translateRestart(options: Options): Translation {
  const { keys, notes, startsecs } = translateLimits(options);
  if ((options.current('autorestart') ?? 'unexpected').toLowerCase() === 'unexpected') {
    const { when, note } = translateExitCodes(options.current('exitcodes') ?? '0');
    return { keys: { restart: { ...when, ...keepOthers, ...keys } }, notes: [...notes, note] };
  }
  if (options.bool('autorestart', true)) return { keys: { restart: { ...keepOthers, ...keys } }, notes };
  const note = 'restarts after a run shorter than startsecs: with autorestart=false it runs once';
  return { keys: { restart: { when: 'never', ...keepOthers } }, notes: [startsecs > 0 ? note : undefined] };
}

/**
 * With the default of autorestart, `unexpected`, supervisord does not restart a program that exits with one of `exitcodes`. The
 * only such code in our config is 0.
 */
function translateExitCodes(exitCodes: string): { when?: object; note?: string } {
  const codes = exitCodes.split(',').map((code) => code.trim());
  const others = codes.filter((code) => Number(code) !== 0);
  const note =
    others.length > 0 ? { note: `no restart after exit code ${others.join(', ')}: it is restarted` } : {};
  return codes.length === others.length ? note : { when: { when: 'onFailure' }, ...note };
}

/** supervisord keeps running when it stops restarting a program. */
const keepOthers = { onFailure: 'keepOthers' };

/**
 * supervisord counts a run shorter than `startsecs` as a failure. After failure n it waits n s, and gives up after more than
 * `startretries` failures in a row. It restarts after any longer run, without end, about once a second. Our back-off doubles from
 * 1 s; `maxDelay` and `window` make it give up after about the same time.
 */
function translateLimits(options: Options) {
  const startsecs = limited(options, 'startsecs', { initial: 1, max: longestSeconds });
  const retries = limited(options, 'startretries', { initial: 3, max: mostFailures });
  const notes = [startsecs.note, retries.note];
  // The engine counts a run shorter than 1 s as a failure. With a pause of 1 s there are never that many in the default window.
  if (startsecs.value === 0)
    return {
      keys: { delay: '1s', maxDelay: '1s', resetAfter: '1s', maxFailures: 1000 },
      notes,
      startsecs: 0,
    };
  const maxDelay = Math.min(Math.max(retries.value, 1), defaultMaxDelay);
  const window = Math.min(retries.value * (maxDelay + startsecs.value), longestSeconds);
  const keys = {
    delay: '1s',
    ...(maxDelay < defaultMaxDelay && { maxDelay: `${maxDelay}s` }),
    resetAfter: `${startsecs.value}s`,
    maxFailures: retries.value,
    ...(window > defaultWindow && { window: `${window}s` }),
  };
  return { keys, notes, startsecs: startsecs.value };
}

function translateStop(options: Options): Translation {
  const signal = options.currentParsed('stopsignal', signalName);
  const { value, note } = limited(options, 'stopwaitsecs', { initial: 10, max: longestSeconds });
  const stop = {
    ...(signal !== undefined && { signal }),
    ...(options.source('stopwaitsecs') !== undefined && { grace: `${value}s` }),
  };
  const isSingle = ['stopasgroup', 'killasgroup'].some((name) => !options.bool(name, true));
  return {
    keys: Object.keys(stop).length > 0 ? { stop } : {},
    notes: [note, isSingle ? 'signals to one process: they always go to the whole process group' : undefined],
  };
}

/** A whole number from 0 to `max`. To supervisord, a negative number is the same as 0. */
function limited(
  options: Options,
  name: string,
  { initial, max }: { readonly initial: number; readonly max: number },
): { value: number; note?: string } {
  const value = Math.max(options.integer(name, initial), 0);
  return value <= max
    ? { value }
    : { value: max, note: `${name}=${options.source(name)}: the most is ${max}` };
}

/** `TERM`, `SIGTERM` or `15` as `SIGTERM`. */
function signalName(value: string): string {
  const name = `SIG${value.toUpperCase().replace(/^SIG/, '')}`;
  const found = Object.entries(constants.signals).find(
    ([each, number]) => each === name || String(number) === value,
  );
  if (found === undefined) throw new Error(`there is no signal "${value}"`);
  return found[0];
}
