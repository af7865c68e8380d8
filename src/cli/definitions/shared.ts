import { InvalidArgumentError, Option } from 'commander';
import type { OutputMode } from '../../observe/terminal/reporter.ts';
import { nodeName, nodeNameForm } from '../../lib/paths.ts';

/** `--name` of every command that talks to a node. */
export function nameOption(): Option {
  return new Option('--name <name>', 'name of the node')
    .default('default')
    .env('K8S_SINGLE_NAME')
    .argParser(assertNodeName);
}

/** Runs before any command: `down --name ..` would remove /run. */
function assertNodeName(value: string): string {
  if (nodeName.test(value)) return value;
  throw new InvalidArgumentError(`Expected ${nodeNameForm}.`);
}

/** `--name` of a command that also reads a config, which may name the node. */
export function nameOrConfigOption(): Option {
  return new Option('--name <name>', 'name of the node (default: as in the config, or "default")').env(
    'K8S_SINGLE_NAME',
  );
}

/** `--data-dir` of a command that also works on the data of a stopped node. */
export function dataDirOption(): Option {
  return new Option('--data-dir <dir>', 'data folder of the node, if not /var/lib/k8s-single/NAME');
}

/** `--config` */
export function configOption(): Option {
  return new Option('-f, --config <file>', 'YAML config');
}

/** Collects the values of a repeatable option. */
export const append = (value: string, earlier: readonly string[] = []): string[] => [...earlier, value];

/** `--bin-dir`, repeatable. */
export function binDirOption(): Option {
  return new Option(
    '--bin-dir <dir>',
    'folder to search for binaries first (repeatable; also K8S_SINGLE_BIN_DIR)',
  ).argParser(append);
}

/** `--publish`, repeatable. */
export function publishOption(): Option {
  return new Option(
    '--publish <mapping>',
    'port of the host that leads to the node, [ADDRESS:]HOST:NODE[/udp]; on loopback by default (repeatable)',
  ).argParser(append);
}

const appendNames = (value: string, earlier: readonly string[] = []): string[] => [
  ...earlier,
  ...value.split(',').filter(Boolean),
];

/** An option that takes names: comma-separated, repeatable. */
export function namesOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser(appendNames);
}

/** `--source` */
export function sourceOption(): Option {
  return new Option('--source <source>', 'where missing binaries come from')
    .choices(['auto', 'release', 'debian'])
    .default('auto');
}

const outputModes: readonly OutputMode[] = ['auto', 'pretty', 'plain', 'json'];

/** `--output` of a command that shows progress. */
export function outputOption(): Option {
  return new Option('--output <mode>', 'how to show progress').choices(outputModes).default('auto');
}

/** `--kubernetes` */
export function kubernetesOption(): Option {
  return new Option('--kubernetes <version>', 'Kubernetes version: 1.36, 1.36.2, stable or latest');
}

/** `--mirror` */
export function mirrorOption(): Option {
  return new Option('--mirror <url>', 'server with the files of official releases (also K8S_SINGLE_MIRROR)');
}

/** Makes what a command resolves with the exit code of the program. */
export async function exitWith(code: Promise<number>): Promise<void> {
  process.exitCode = await code;
}
