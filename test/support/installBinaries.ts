import { execa } from 'execa';
import { imageBinaries, nodeBinaries } from '../../src/install/find/binaries.ts';
import { install } from '../../src/install/install.ts';
import { cacheDir } from '../../src/lib/paths.ts';
import { main } from './cli.ts';

/**
 * Runs before all tests: installs the binaries of the nodes under test. With an empty cache that takes up to ten minutes,
 * longer than the time-out of any test.
 */
export default async function installBinaries(): Promise<void> {
  // Not the official releases: what the tests expect has one version, with internet and without.
  await execa(process.execPath, [main, 'install', '--source', 'debian'], {
    stdout: 'ignore',
    stderr: 'inherit',
  });
}

const allBinaries = [...nodeBinaries, ...imageBinaries];
type BinaryName = (typeof allBinaries)[number]['name'];

/** The paths of these binaries, by name. Installs what is missing. */
export async function testBinaries<Name extends BinaryName>(
  ...names: readonly Name[]
): Promise<Readonly<Record<Name, string>>> {
  const binaries = allBinaries.filter(({ name }) => names.some((wanted) => wanted === name));
  return (await install({ binDirs: [], cacheDir: cacheDir(), binaries })).files;
}
