import { nodePaths } from './paths.ts';

/** A node by name, and its data folder if that is not the default. */
export interface NodeSelector {
  readonly name: string;
  readonly dataDir?: string | undefined;
}

/** The commands with --data-dir, which also work on a node that is down. All others ask the running node for the folder. */
const withDataDir: ReadonlySet<string> = new Set(['up', 'upgrade', 'down', 'logs', 'timeline', 'report']);

/** A command line of this program to paste into a shell: with `--name` and `--data-dir` where necessary, then `args`. */
export function nodeCommand(command: string, { name, dataDir }: NodeSelector, ...args: string[]): string {
  const defaultDir = nodePaths(name).data;
  return commandLine([
    'k8s-single',
    ...command.split(' '),
    // With the variable set, leaving --name out would mean that node.
    ...(name === 'default' && !process.env['K8S_SINGLE_NAME'] ? [] : ['--name', name]),
    ...(dataDir === undefined || dataDir === defaultDir || !withDataDir.has(command)
      ? []
      : ['--data-dir', dataDir]),
    ...args,
  ]);
}

/** The words as typed in a shell. */
export function commandLine(words: readonly string[]): string {
  return words.map(shellQuote).join(' ');
}

/** The command as typed in a shell, after its folder, umask and environment. */
export function shellCommand(command: ShellCommand): string {
  const { file, args, env = {}, inheritEnv = true, cwd, umask } = command;
  const assignments = Object.entries(env).map(([name, value]) => `${name}=${shellQuote(value)}`);
  const words = [...(inheritEnv ? [] : ['env', '-i']), ...assignments, commandLine([file, ...args])].join(
    ' ',
  );
  return [
    ...(cwd === undefined ? [] : [`cd ${shellQuote(cwd)}`]),
    ...(umask === undefined ? [] : [`umask ${umask.toString(8).padStart(3, '0')}`]),
    words,
  ].join(' && ');
}

interface ShellCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly inheritEnv?: boolean | undefined;
  readonly cwd?: string | undefined;
  readonly umask?: number | undefined;
}

/** Quotes a word for a shell, if necessary. */
export function shellQuote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Whether this option, such as `--name`, is in the command line of this process, and not from the environment. */
export function isTyped(flag: string): boolean {
  return process.argv.some((word) => word === flag || word.startsWith(`${flag}=`));
}
