import { InvalidArgumentError, Option } from 'commander';
import { nodeName, nodeNameForm } from '../../lib/paths.ts';

/** `--name`: every command that talks to a node has it. */
export function nameOption(): Option {
  return new Option('--name <name>', 'which node')
    .default('default')
    .env('K8S_SINGLE_NAME')
    .argParser(nameOfNode);
}

/** Checked before anything is done with it: `down --name ..` would be the end of /run. */
function nameOfNode(value: string): string {
  if (nodeName.test(value)) return value;
  throw new InvalidArgumentError(`Expected ${nodeNameForm}.`);
}

/** The same where a config may say the name. */
export function nameOrConfigOption(): Option {
  return new Option('--name <name>', 'which node (default: "default")').env('K8S_SINGLE_NAME');
}

export function dataDirOption(): Option {
  return new Option(
    '--data-dir <dir>',
    'where the data of a node is that is down, when it is not where it usually is',
  );
}

export function configOption(): Option {
  return new Option('--config <file>', 'the YAML config');
}

const collect = (value: string, earlier: readonly string[] = []): string[] => [...earlier, value];

export function binDirOption(): Option {
  return new Option(
    '--bin-dir <dir>',
    'look here for binaries first (repeatable; also K8S_SINGLE_BIN_DIR)',
  ).argParser(collect);
}

const collectNames = (value: string, earlier?: readonly string[]): string[] => [
  ...(earlier ?? []),
  ...value.split(',').filter(Boolean),
];

/** An option with names: comma-separated, repeatable. */
export function namesOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser(collectNames);
}

export function sourceOption(): Option {
  return new Option('--source <source>', 'where missing binaries come from')
    .choices(['auto', 'release', 'debian'])
    .default('auto');
}

/** What an action resolves with is the program's exit code. */
export async function exitWith(code: Promise<number>): Promise<void> {
  process.exitCode = await code;
}
