import { nodePaths } from './paths.ts';

/** Which node is meant, and where its data is when it is not where it usually is. */
export interface NodeSelector {
  readonly name: string;
  readonly dataDir?: string | undefined;
}

/** What works on the data of a node that is down, too. All others ask a running node, which says itself where it is. */
const onData: ReadonlySet<string> = new Set(['up', 'down', 'logs', 'timeline', 'report']);

/**
 * A command line of this program for a node, to be pasted into a shell: with `--name` and `--data-dir` where they are needed, and
 * with `args` behind them.
 */
export function nodeCommand(command: string, { name, dataDir }: NodeSelector, ...args: string[]): string {
  const usual = nodePaths(name).data;
  return commandLine([
    'k8s-single',
    command,
    // Where the environment names a node, leaving it out would mean that one.
    ...(name === 'default' && !process.env['K8S_SINGLE_NAME'] ? [] : ['--name', name]),
    ...(dataDir === undefined || dataDir === usual || !onData.has(command) ? [] : ['--data-dir', dataDir]),
    ...args,
  ]);
}

/** The words as one would type them in a shell. */
export function commandLine(words: readonly string[]): string {
  return words.map(shellQuote).join(' ');
}

/** The word as a shell takes it for one, and for nothing else. */
export function shellQuote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
