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
  startretries: (value) => ({ restart: { budget: value } }),
  stopsignal: (value) => ({ stop: { signal: signalName(value) } }),
  stopwaitsecs: (value) => ({ stop: { grace: `${value}s` } }),
  directory: (value) => ({ keys: { cwd: value } }),
  user: (value) => ({
    keys: { user: value },
    note: 'the groups of the user beyond the first are not taken on',
  }),
  stopasgroup: asGroup,
  killasgroup: asGroup,
};

/** Where a program's output went: both streams of a component go to one log. */
export function logFiles(files: readonly (string | undefined)[]): Converted {
  const given = files.filter((file) => file !== undefined && !/^(none|off|auto)$/i.test(file));
  if (given.length === 0) return {};
  return {
    note: `log file ${given.join(' and ')}: both streams go to one log here, see \`k8s-single logs\``,
  };
}

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

/** `TERM`, `SIGTERM` or `15` as `SIGTERM`. */
function signalName(value: string): string {
  const byNumber = Object.entries(constants.signals).find(([, number]) => String(number) === value)?.[0];
  return byNumber ?? `SIG${value.toUpperCase().replace(/^SIG/, '')}`;
}
