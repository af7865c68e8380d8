import { constants } from 'node:os';

/** What an option of a program becomes: keys of a component, or a note on what has no counterpart. */
export interface Converted {
  readonly keys?: Readonly<Record<string, unknown>>;
  readonly restart?: Readonly<Record<string, string>>;
  readonly stop?: Readonly<Record<string, string>>;
  readonly note?: string;
}

/** The options of a program that are converted one by one; a value's expressions are expanded already. */
export const converters: Readonly<Record<string, (value: string) => Converted>> = {
  autostart: (value) => (isTrue(value) ? {} : { keys: { enabled: false } }),
  startsecs: (value) => ({ restart: { resetAfter: `${value}s` } }),
  startretries: (value) => ({ restart: { maxFailures: value } }),
  stopsignal: (value) => ({ stop: { signal: signalName(value) } }),
  stopwaitsecs: (value) => ({ stop: { grace: `${value}s` } }),
  directory: (value) => ({ keys: { workingDir: value } }),
  user: (value) => ({
    keys: { user: value },
    note: 'the groups of the user beyond the first are not taken on',
  }),
  stdout_logfile_maxbytes: sameForAll,
  stdout_logfile_backups: sameForAll,
  stderr_logfile_maxbytes: sameForAll,
  stderr_logfile_backups: sameForAll,
  stopasgroup: asGroup,
  killasgroup: asGroup,
};

/** Where a program's output goes: both streams of a component go to one log. */
export function logFile(stdout = 'auto', stderr = 'auto', isRedirected = 'false'): Converted {
  const both = [stdout, isTrue(isRedirected) ? 'auto' : stderr];
  const [out, err] = both.map((file) => (/^(none|off|auto)$/i.test(file) ? undefined : file));
  const own = [out, err].find((file) => file !== undefined && !noFile.test(file));
  const lost = [out, err].filter((file) => file !== undefined && file !== own);
  return {
    ...(own !== undefined && { keys: { logFile: own } }),
    ...(lost.length > 0 && { note: `log file ${lost.join(' and ')}: both streams go to one log, a file` }),
  };
}

/** What is no file of its own: a terminal, what supervisord was started with, the syslog. */
const noFile = /^(\/dev\/.*|\/proc\/.*|syslog)$/;

/** supervisord's default, `unexpected`, leaves a program down that exits with a code of `exitcodes`. */
export function autorestart(value = 'unexpected', exitcodes = '0'): Converted {
  if (/^(no|false|off|0)$/i.test(value)) return { restart: { when: 'never' } };
  if (value.toLowerCase() !== 'unexpected') return {};
  return {
    note: `after an exit with code ${exitcodes} it is started again, too (a step that ends is a \`task: true\`)`,
  };
}

function isTrue(value: string): boolean {
  return /^(yes|true|on|1)$/i.test(value);
}

function asGroup(value: string): Converted {
  return isTrue(value) ? {} : { note: 'signals always go to the whole process group' };
}

function sameForAll(): Converted {
  return {
    note: 'how long a log gets, and how many are kept, is the same for all: logs.maxMiB and logs.keep',
  };
}

/** `TERM`, `SIGTERM` or `15` as `SIGTERM`. */
function signalName(value: string): string {
  const byNumber = Object.entries(constants.signals).find(([, number]) => String(number) === value)?.[0];
  return byNumber ?? `SIG${value.toUpperCase().replace(/^SIG/, '')}`;
}
