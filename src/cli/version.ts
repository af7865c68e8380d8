import { existsSync, readFileSync } from 'node:fs';

/** The program's own version. From dist/src/cli as from src/cli: the nearest package.json above is ours. */
export function version(): string {
  const places = ['../../package.json', '../../../package.json'].map(
    (path) => new URL(path, import.meta.url),
  );
  const file = places.find((place) => existsSync(place));
  const description: { version?: string } = file === undefined ? {} : JSON.parse(readFileSync(file, 'utf8'));
  return description.version ?? 'unknown';
}
