import type { Argument, Command, Option } from 'commander';

/** One way to go on, and what it means. */
interface Candidate {
  readonly value: string;
  readonly description: string;
}

/** What can come next: these, or whatever files or folders there are. */
export type Completion = readonly Candidate[] | 'files' | 'folders';

/** Names that only the machine knows: of nodes, and of the components of the node `name`. */
export interface Names {
  readonly nodes: () => Promise<readonly string[]>;
  readonly components: (name: string | undefined) => Promise<readonly string[]>;
}

/**
 * What can stand in place of the last of `words`, which may be empty or begun; the program's own name is not among them.
 * Derived from the command line's own definition, so that there is nothing to keep in step with it.
 */
export async function complete(cli: Command, words: readonly string[], names: Names): Promise<Completion> {
  const current = words.at(-1) ?? '';
  const { command, given, awaiting, nodeName, ended } = read(cli, words.slice(0, -1));
  if (ended) return 'files';
  if (awaiting !== undefined) return matching(await valuesOf(awaiting, names), current);
  const [flag = '', value] = split(current);
  const option = value === undefined ? undefined : optionOf(command, flag);
  if (option !== undefined) return matching(await valuesOf(option, names), value, `${flag}=`);
  if (current.startsWith('-')) return matching(optionsOf(command), current);
  if (given.length === 0 && command.commands.length > 0) return matching(commandsOf(command), current);
  const argument = command.registeredArguments[given.length] ?? command.registeredArguments.at(-1);
  if (argument === undefined || (given.length >= command.registeredArguments.length && !argument.variadic))
    return [];
  return matching(await argumentsOf(argument, { given, nodeName, names }), current);
}

interface Read {
  readonly command: Command;
  /** The arguments of the command. */
  readonly given: readonly string[];
  /** Its value comes next. */
  readonly awaiting: Option | undefined;
  readonly nodeName: string | undefined;
  /** What follows is another program's command line. */
  readonly ended: boolean;
}

function read(cli: Command, words: readonly string[]): Read {
  let command = cli;
  const given: string[] = [];
  let awaiting: Option | undefined;
  let nodeName: string | undefined;
  for (const word of words) {
    if (word === '--') return { command, given, awaiting, nodeName, ended: true };
    const [flag = '', value] = split(word);
    const option: Option | undefined =
      awaiting ?? (word.startsWith('-') ? optionOf(command, flag) : undefined);
    const found: string | undefined = awaiting === undefined ? value : word;
    if (option?.attributeName() === 'name' && found !== undefined) nodeName = found;
    awaiting = option?.required === true && found === undefined ? option : undefined;
    if (option !== undefined || word.startsWith('-')) continue;
    const next = given.length === 0 ? command.commands.find((each) => each.name() === word) : undefined;
    if (next === undefined) given.push(word);
    else command = next;
  }
  return { command, given, awaiting, nodeName, ended: false };
}

/** `--flag=value` in two. */
function split(word: string): string[] {
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
  if (argChoices !== undefined) return plain(argChoices);
  if (/<file>/.test(flags)) return 'files';
  if (/<dir>/.test(flags)) return 'folders';
  return /--name\b/.test(flags) ? plain(await names.nodes()) : [];
}

async function argumentsOf(
  argument: Argument,
  { given, nodeName, names }: { given: readonly string[]; nodeName: string | undefined; names: Names },
): Promise<Completion> {
  if (argument.argChoices !== undefined) return plain(argument.argChoices);
  if (argument.name() === 'component')
    return plain((await names.components(nodeName)).filter((name) => !given.includes(name)));
  return 'files';
}

function plain(values: readonly string[]): Candidate[] {
  return values.map((value) => ({ value, description: '' }));
}

/** Those that begin with what is there, each with `before` in front. */
function matching(completion: Completion, begun = '', before = ''): Completion {
  if (typeof completion === 'string') return completion;
  return completion
    .filter(({ value }) => value.startsWith(begun))
    .map(({ value, description }) => ({ value: before + value, description }));
}
