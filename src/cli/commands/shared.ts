import { Option } from 'commander';

/** `--name`: every command that talks to a node has it. */
export function nameOption(): Option {
  return new Option('--name <name>', 'which node').default('default').env('K8S_SINGLE_NAME');
}

/** The same where a config may say the name. */
export function nameOrConfigOption(): Option {
  return new Option('--name <name>', 'which node (default: "default")').env('K8S_SINGLE_NAME');
}

const collect = (value: string, earlier: readonly string[] = []): string[] => [...earlier, value];

export function binDirOption(): Option {
  return new Option(
    '--bin-dir <dir>',
    'look here for binaries first (repeatable; also K8S_SINGLE_BIN_DIR)',
  ).argParser(collect);
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
