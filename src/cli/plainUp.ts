import type { UpOptions } from '../supervisor/options.ts';

/** Options of `up` that take a word. */
const takingWord: ReadonlyMap<string, keyof UpOptions> = new Map([
  ['--config', 'config'],
  ['--data-dir', 'dataDir'],
  ['--listen', 'listen'],
  ['--name', 'name'],
  ['--timeout', 'timeout'],
]);

/** Options of `up` that are one word, and what they mean. */
const oneWord: ReadonlyMap<string, Partial<UpOptions>> = new Map([
  ['--detach', { detach: true }],
  ['--host', { host: true }],
  ['--no-install', { install: false }],
]);

/** What `--output` may be. */
export const outputModes: readonly UpOptions['output'][] = ['auto', 'pretty', 'plain', 'json'];

/**
 * The options of an `up` whose command line is as plain as most: those that commander makes of it, which takes 10 ms for that.
 * Undefined when there is anything else in it, or in the environment: a mistake, help that is asked for, an option that is
 * rare or written in another way. Then it is commander's.
 */
export function plainUp(args: readonly string[], env: NodeJS.ProcessEnv): UpOptions | undefined {
  if (env['K8S_SINGLE_NAME'] !== undefined || env['K8S_SINGLE_FORWARD_LOGS'] !== undefined) return undefined;
  const options: UpOptions = { install: true, source: 'auto', output: 'auto' };
  const words = args[Symbol.iterator]();
  for (const word of words) {
    const more = oneWord.get(word) ?? withWord(word, words);
    if (more === undefined) return undefined;
    Object.assign(options, more);
  }
  return options;
}

function withWord(option: string, words: Iterator<string, unknown>): Partial<UpOptions> | undefined {
  const name = takingWord.get(option);
  if (name === undefined && option !== '--output') return undefined;
  const next = words.next();
  if (next.done === true || next.value.startsWith('-')) return undefined;
  if (name !== undefined) return { [name]: next.value };
  const output = outputModes.find((mode) => mode === next.value);
  return output && { output };
}
