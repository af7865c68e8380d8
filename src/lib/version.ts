import { readFileSync } from 'node:fs';
import { packageFile } from './paths.ts';

/** The program's version. */
export function version(): string {
  const description: { version: string } = JSON.parse(readFileSync(packageFile('package.json'), 'utf8'));
  return description.version;
}

/** Put in by the build: ISO 8601. */
declare const BUILT_AT: string | undefined;

/** When the program was built; undefined when it runs from its sources. */
export function builtAt(): Date | undefined {
  return typeof BUILT_AT === 'undefined' ? undefined : new Date(BUILT_AT);
}
