import { formatDuration } from '../schema/duration.ts';
import type { Config } from '../config.ts';
import { masker, isSecret, masked, secretValues } from './secrets.ts';

/** The keys whose numbers are ms. */
const durations = 'boot timeout period delay maxDelay resetAfter window grace'.split(' ');

/** The maps whose keys are names that can say that the value is a secret. */
const namedValues = new Set(['env', 'headers']);

/**
 * The whole config as plain data in the form of the file: defaults filled in, references resolved, and secrets masked.
 * Where nothing is masked, loading it gives the same config again.
 */
export function resolved(config: Config): Record<string, unknown> {
  const hide = masker(secretValues(config));

  function show(value: unknown, key: string): unknown {
    if (typeof value === 'number' && durations.includes(key)) return formatDuration(value);
    // What looks like a reference now is no reference: it was escaped.
    if (typeof value === 'string') return hide(value).replaceAll('${', () => '$${');
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
