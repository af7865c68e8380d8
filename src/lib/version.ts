import { readFileSync } from 'node:fs';
import { packageFile } from './paths.ts';

/** The program's version. */
export function version(): string {
  const description: { version: string } = JSON.parse(readFileSync(packageFile('package.json'), 'utf8'));
  return description.version;
}
