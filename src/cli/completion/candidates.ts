import type { Argument, Command, Option } from 'commander';

/** One possible next word, with what it means. */
interface Candidate {
  readonly value: string;
  readonly description: string;
}

/** What can come next: these words, or any file, or any folder. */
export type Completion = readonly Candidate[] | 'files' | 'folders';

/** Looks up names of nodes, and of the components of a node (undefined: the default one). */
export interface Names {
  readonly nodes: () => Promise<readonly string[]>;
  readonly components: (node: string | undefined) => Promise<readonly string[]>;
}

/**
 * What can replace the last of `words`, which may be empty or incomplete. `words` are the arguments of the program. Derived from
 * the definition of the command line.
 */
export async function complete(cli: Command, words: readonly string[], names: Names): Promise<Completion> {
  const current = words.at(-1) ?? '';
  const { command, args, pending, nodeName, passesThrough } = parse(cli, words.slice(0, -1));
  if (passesThrough) return 'files';
  if (pending !== undefined) return matching(await valuesOf(pending, names), current);
  const [flag = '', value] = splitFlag(current);
  const option = value === undefined ? undefined : optionOf(command, flag);
  if (option !== undefined) return matching(await valuesOf(option, names), value, `${flag}=`);
  if (current.startsWith('-')) return matching(optionsOf(command), current);
  if (args.length === 0 && command.commands.length > 0) return matching(commandsOf(command), current);
  const argument = command.registeredArguments[args.length] ?? command.registeredArguments.at(-1);
  if (argument === undefined || (args.length >= command.registeredArguments.length && !argument.variadic))
    return [];
  return matching(await candidatesFor(argument, { args, nodeName, names }), current);
}

/** What the words before the current one mean. */
interface ParsedWords {
  readonly command: Command;
  /** The arguments of the command. */
  readonly args: readonly string[];
  /** The option whose value comes next. */
  readonly pending: Option | undefined;
  readonly nodeName: string | undefined;
  /** After `--`: the rest is the command line of another program. */
  readonly passesThrough: boolean;
}

function parse(cli: Command, words: readonly string[]): ParsedWords {
  let command = cli;
  const args: string[] = [];
  let pending: Option | undefined;
  let nodeName: string | undefined;
  for (const word of words) {
    if (word === '--') return { command, args, pending, nodeName, passesThrough: true };
    const [flag = '', inlineValue] = splitFlag(word);
    const option: Option | undefined =
      pending ?? (word.startsWith('-') ? optionOf(command, flag) : undefined);
    const value: string | undefined = pending === undefined ? inlineValue : word;
    if (option?.attributeName() === 'name' && value !== undefined) nodeName = value;
    pending = option?.required === true && value === undefined ? option : undefined;
    if (option !== undefined || word.startsWith('-')) continue;
    const subcommand = args.length === 0 ? command.commands.find((each) => each.name() === word) : undefined;
    if (subcommand === undefined) args.push(word);
    else command = subcommand;
  }
  return { command, args, pending, nodeName, passesThrough: false };
}

/** `--flag=value` as flag and value. */
function splitFlag(word: string): string[] {
  const at = word.startsWith('--') ? word.indexOf('=') : -1;
  return at < 0 ? [word] : [word.slice(0, at), word.slice(at + 1)];
}

function optionOf(command: Command, flag: string): Option | undefined {
  return command.options.find(({ short, long }) => flag === short || flag === long);
}

function optionsOf(command: Command): Candidate[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .map(({ short, long, description }) => ({ value: long ?? short ?? '', description }));
}

function commandsOf(command: Command): Candidate[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .map((each) => ({ value: each.name(), description: each.description() }));
}

async function valuesOf({ argChoices, flags }: Option, names: Names): Promise<Completion> {
  if (argChoices !== undefined) return toCandidates(argChoices);
  if (/<file>/.test(flags)) return 'files';
  if (/<dir>/.test(flags)) return 'folders';
  return /--name\b/.test(flags) ? toCandidates(await names.nodes()) : [];
}

async function candidatesFor(
  argument: Argument,
  { args, nodeName, names }: { args: readonly string[]; nodeName: string | undefined; names: Names },
): Promise<Completion> {
  if (argument.argChoices !== undefined) return toCandidates(argument.argChoices);
  if (argument.name() === 'component')
    return toCandidates((await names.components(nodeName)).filter((name) => !args.includes(name)));
  return 'files';
}

function toCandidates(values: readonly string[]): Candidate[] {
  return values.map((value) => ({ value, description: '' }));
}

/** The candidates that start with `typed`, each with `prefix` in front. */
function matching(completion: Completion, typed = '', prefix = ''): Completion {
  if (typeof completion === 'string') return completion;
  return completion
    .filter(({ value }) => value.startsWith(typed))
    .map(({ value, description }) => ({ value: prefix + value, description }));
}
