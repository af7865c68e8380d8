import { formatDuration } from './schema/duration.ts';
import type { Config } from './config.ts';
import { masker, isSecret, masked, secretValues } from './secrets.ts';

/** The keys whose numbers are ms. */
const durationKeys = 'boot timeout period delay maxDelay resetAfter window grace'.split(' ');

/** The maps with names as keys, which can mark the value as a secret. */
const namedValues = new Set(['env', 'headers']);

/** A manifest with an object of the kind Secret. */
const secretObject = /^\s*(?:-\s+)?["']?kind["']?\s*:\s*["']?Secret\b|"kind"\s*:\s*"Secret"/m;

/**
 * The whole config as plain data in the form of the file: defaults filled in, references resolved, secrets masked.
 * Without secrets, loading it gives the same config again.
 */
export function maskedConfig(config: Config): Record<string, unknown> {
  const mask = masker(secretValues(config));

  function show(value: unknown, key: string): unknown {
    if (typeof value === 'number' && durationKeys.includes(key)) return formatDuration(value);
    if (key === 'manifest' && typeof value === 'string' && secretObject.test(value)) return masked;
    // References are resolved by now, so any ${ left is literal text and is escaped again.
    if (typeof value === 'string') return mask(value).replaceAll('${', () => '$${');
    if (Array.isArray(value)) return value.map((item) => show(item, ''));
    if (typeof value !== 'object' || value === null) return value;
    const shown = Object.entries(value).map(([name, inner]) => [
      name,
      namedValues.has(key) && isSecret(name) ? masked : show(inner, name),
    ]);
    return Object.fromEntries(shown) as unknown;
  }

  const { node, components } = config;
  return Object.fromEntries(
    Object.entries({ ...node, components }).map(([key, value]) => [key, show(value, key)]),
  );
}

/** {@link maskedConfig} as YAML. */
export async function maskedConfigYaml(config: Config): Promise<string> {
  // Loaded on demand: the record of each boot needs the plain data alone.
  const { stringify } = await import('yaml');
  return stringify(maskedConfig(config), { lineWidth: 110 });
}
