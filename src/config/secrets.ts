import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command, Event } from '../engine/component.ts';
import type { Config } from './config.ts';
import { parseEnvFile } from './envFile.ts';
import { registrySecrets } from './registryFiles.ts';

/** The replacement for a secret. */
export const masked = '***';

const secretWord =
  'pass(?:word|wd|phrase)|secret|token|credential|api-?key|private-?key|authorization|cookie';

/** The name of a variable or header with a secret value. */
const secretName = new RegExp(`${secretWord}|key`, 'i');

/** A flag with a secret value, not with a path: `--db-password`, but not `--tls-private-key-file`. */
const flag = `--?(?![\\w-]*(?:file|path|dir|mode|kubeconfig)(?![\\w-]))[\\w-]*(?:${secretWord})[\\w-]*`;

/** Flag and value in one word: `--db-password=...`. */
const flagWithValue = new RegExp(`(${flag}=)\\S+`, 'gi');
const bareFlag = new RegExp(`^${flag}$`, 'i');

/** The password in `scheme://user:password@host`. */
const passwordInUrl = /(\w:\/\/[^\s/:@]*:)[^\s/@]+(?=@)/g;

/** Shorter values occur inside other words by chance, so they are masked only when they are the whole text. */
const minLength = 4;

/** Whether a variable or header with this name has a secret value. */
export function isSecret(name: string): boolean {
  return secretName.test(name);
}

/** A {@link masker} for all secrets of a config, including the current content of its files. */
export async function maskerOf(config: Config): Promise<(text: string) => string> {
  return masker([...secretValues(config), ...(await secretsInFiles(config))]);
}

/** The secrets in the config itself, longest first. For its files see {@link secretsInFiles}. */
export function secretValues({ components, secrets }: Pick<Config, 'components' | 'secrets'>): string[] {
  const specs = Object.values(components);
  const inEnv = specs.flatMap(({ env = {} }) => valuesOf(env));
  // A shell command is split at blanks and quotes.
  const inFlags = specs.flatMap(({ command = [], args = [] }) =>
    flagValues((typeof command === 'string' ? command.split(/[\s'"]+/) : command).concat(args)),
  );
  return sorted([...secrets, ...inEnv, ...inFlags]);
}

/** The secrets in the envFiles of a config and in the credentials of its registries. Unreadable files are skipped. */
export async function secretsInFiles({
  components,
  dir,
  node,
}: Pick<Config, 'components' | 'dir' | 'node'>): Promise<string[]> {
  const files = Object.values(components).flatMap(({ envFile }) => envFile ?? []);
  const texts = files.map(async (file) => readFile(resolve(dir, file), 'utf8').catch(() => ''));
  const inEnvFiles = (await Promise.all(texts)).flatMap((text) => valuesOf(parseEnvFile(text)));
  return [...inEnvFiles, ...registrySecrets(node)];
}

/** A function that masks these secrets in a text, and also passwords in URLs and values of secret flags. */
export function masker(secrets: Iterable<string>): (text: string) => string {
  const values = sorted(secrets);
  return (text) => {
    if (values.includes(text)) return masked;
    const known = values
      .filter(({ length }) => length >= minLength)
      .reduce((rest, value) => rest.replaceAll(value, masked), text);
    return known.replaceAll(flagWithValue, `$1${masked}`).replaceAll(passwordInUrl, `$1${masked}`);
  };
}

/** The command without secrets. */
export function maskCommand(
  { args, env = {}, ...command }: Command,
  mask: (text: string) => string,
): Command {
  const shown = Object.entries(env).map(
    ([name, value]) => [name, isSecret(name) ? masked : mask(value)] as const,
  );
  return { ...command, args: args.map(mask), env: Object.fromEntries(shown) };
}

/** The event without secrets: its reason and its log lines may quote a program's output. */
export function maskEvent(event: Event, mask: (text: string) => string): Event {
  if (event.type === 'exited')
    return { ...event, reason: mask(event.reason), lastLines: event.lastLines.map(mask) };
  return 'reason' in event ? { ...event, reason: mask(event.reason) } : event;
}

function valuesOf(env: Readonly<Record<string, string | undefined>>): string[] {
  return Object.entries(env).flatMap(([name, value]) => (isSecret(name) && value ? [value] : []));
}

/** The values of secret flags in a separate word: `--token abc`. */
function flagValues(words: readonly string[]): string[] {
  return words.filter((word, index) => !word.startsWith('-') && bareFlag.test(words[index - 1] ?? ''));
}

function sorted(values: Iterable<string>): string[] {
  return [...new Set(values)].filter((value) => value !== '').sort((a, b) => b.length - a.length);
}
