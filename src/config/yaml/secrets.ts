import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseEnv } from 'node:util';
import type { Command, Event } from '../../engine/component.ts';
import type { Config } from '../config.ts';

/** What stands where a secret was. */
export const masked = '***';

const secretWord =
  'pass(?:word|wd|phrase)|secret|token|credential|api-?key|private-?key|authorization|cookie';

/** A variable or header whose value is not for every eye. */
const secretName = new RegExp(`${secretWord}|key`, 'i');

/** A flag whose value is a secret and not the path of one: `--db-password`, but not `--tls-private-key-file`. */
const flag = `--?(?![\\w-]*(?:file|path|dir|mode|kubeconfig)(?![\\w-]))[\\w-]*(?:${secretWord})[\\w-]*`;

/** With its value in one word: `--db-password=...`. */
const flagWithValue = new RegExp(`(${flag}=)\\S+`, 'gi');
const bareFlag = new RegExp(`^${flag}$`, 'i');

/** The password in `scheme://user:password@host`. */
const passwordInUrl = /(\w:\/\/[^\s/:@]*:)[^\s/@]+(?=@)/g;

/** Shorter values occur by chance inside other words, so they count as whole words only. */
const shortestPart = 4;

/** Whether a name says that its value is a secret. */
export function isSecret(name: string): boolean {
  return secretName.test(name);
}

/** Masks in a text the secrets of a config, those in its envFiles as they are now included, and what looks like one. */
export async function maskerOf(config: Config): Promise<(text: string) => string> {
  return masker([...secretValues(config), ...(await secretsInFiles(config))]);
}

/** Every secret that the config knows of, the longest first. What its envFiles hold is {@link secretsInFiles}. */
export function secretValues({ components, secrets }: Pick<Config, 'components' | 'secrets'>): string[] {
  const specs = Object.values(components);
  const inEnv = specs.flatMap(({ env = {} }) => valuesOf(env));
  // A text for the shell is taken at its blanks.
  const inFlags = specs.flatMap(({ command = [], args = [] }) =>
    flagValues((typeof command === 'string' ? command.split(/[\s'"]+/) : command).concat(args)),
  );
  return sorted([...secrets, ...inEnv, ...inFlags]);
}

/** The secrets in the envFiles of a config; what cannot be read has none. */
export async function secretsInFiles({
  components,
  dir,
}: Pick<Config, 'components' | 'dir'>): Promise<string[]> {
  const files = Object.values(components).flatMap(({ envFile }) => envFile ?? []);
  const texts = files.map(async (file) => readFile(resolve(dir, file), 'utf8').catch(() => ''));
  return (await Promise.all(texts)).flatMap((text) => valuesOf(parseEnv(text)));
}

/** Masks in a text these secrets, and what looks like one. */
export function masker(secrets: Iterable<string>): (text: string) => string {
  const values = sorted(secrets);
  return (text) => {
    if (values.includes(text)) return masked;
    const hidden = values
      .filter(({ length }) => length >= shortestPart)
      .reduce((rest, value) => rest.replaceAll(value, masked), text);
    return hidden.replaceAll(flagWithValue, `$1${masked}`).replaceAll(passwordInUrl, `$1${masked}`);
  };
}

/** The command as anybody may see it. */
export function maskCommand(
  { args, env = {}, ...command }: Command,
  hide: (text: string) => string,
): Command {
  const shown = Object.entries(env).map(
    ([name, value]) => [name, isSecret(name) ? masked : hide(value)] as const,
  );
  return { ...command, args: args.map(hide), env: Object.fromEntries(shown) };
}

/** The event as anybody may see it: it can quote what a program has written. */
export function maskEvent(event: Event, hide: (text: string) => string): Event {
  if (event.type === 'exited')
    return { ...event, reason: hide(event.reason), lastLines: event.lastLines.map(hide) };
  return 'reason' in event ? { ...event, reason: hide(event.reason) } : event;
}

function valuesOf(env: Readonly<Record<string, string | undefined>>): string[] {
  return Object.entries(env).flatMap(([name, value]) => (isSecret(name) && value ? [value] : []));
}

/** What follows a flag as a word of its own: `--token abc`. */
function flagValues(words: readonly string[]): string[] {
  return words.filter((word, index) => !word.startsWith('-') && bareFlag.test(words[index - 1] ?? ''));
}

function sorted(values: Iterable<string>): string[] {
  return [...new Set(values)].filter((value) => value !== '').sort((a, b) => b.length - a.length);
}
