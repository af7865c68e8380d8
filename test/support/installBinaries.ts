import { execa } from 'execa';
import { main } from './cli.ts';

/**
 * Runs before all tests: installs what nodes under test need. From an empty cache that takes most of ten minutes, longer
 * than any test may wait.
 */
export default async function installBinaries(): Promise<void> {
  await execa(process.execPath, [main, 'install'], { stdout: 'ignore', stderr: 'inherit' });
}
