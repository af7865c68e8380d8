import type { Config } from './load.ts';

/** What stands where a secret was. */
export const masked = '***';

const secretWord =
  'pass(?:word|wd|phrase)|secret|token|credential|api-?key|private-?key|authorization|cookie';

/** A variable or header whose value is not for every eye. */
const secretName = new RegExp(`${secretWord}|key`, 'i');

/** A flag with its value in one word: `--db-password=...`. */
const secretFlag = new RegExp(`(--?[\\w-]*(?:${secretWord})[\\w-]*=)\\S+`, 'gi');

/** The password in `scheme://user:password@host`. */
const passwordInUrl = /(\w:\/\/[^\s/:@]*:)[^\s/@]+(?=@)/g;

/** Shorter values occur by chance inside other words, so they count as whole words only. */
const shortestPart = 4;

/** Whether a name says that its value is a secret. */
export function isSecret(name: string): boolean {
  return secretName.test(name);
}

/** Masks in a text every secret that the config knows of, and what looks like one. */
export function hider({ components, secrets }: Config): (text: string) => string {
  const named = Object.values(components)
    .flatMap(({ env }) => Object.entries(env ?? {}))
    .filter(([name]) => isSecret(name))
    .map(([, value]) => value);
  const values = [...new Set([...secrets, ...named])]
    .filter((value) => value !== '')
    .sort((a, b) => b.length - a.length);
  return (text) => {
    if (values.includes(text)) return masked;
    const hidden = values
      .filter(({ length }) => length >= shortestPart)
      .reduce((rest, value) => rest.replaceAll(value, masked), text);
    return hidden.replaceAll(secretFlag, `$1${masked}`).replaceAll(passwordInUrl, `$1${masked}`);
  };
}
