import { execa } from 'execa';
import { main } from './cli.ts';

/**
 * Runs before all tests: installs the binaries of the nodes under test. With an empty cache that takes up to ten minutes,
 * longer than the time-out of any test.
 */
export default async function installBinaries(): Promise<void> {
  await execa(process.execPath, [main, 'install'], { stdout: 'ignore', stderr: 'inherit' });
}
