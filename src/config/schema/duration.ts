import { Failure } from '../../lib/errors.ts';

const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const term = /(\d+(?:\.\d+)?)(ms|s|m|h)/g;
const whole = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/;

/** The longest delay of a Node.js timer, in ms (2^31 - 1): about 24 days. */
export const longestMs = 2_147_483_647;

/**
 * Parses a duration in the notation of Go and Kubernetes to ms: `300s`, `1m30s`, `500ms`, `1.5h`; `0` needs no unit.
 * @throws Failure `usage` with a correct form.
 */
export function parseDuration(text: string): number {
  if (text === '0') return 0;
  if (!whole.test(text)) {
    const unitless = /^\d+(\.\d+)?$/.test(text);
    throw new Failure(
      'usage',
      unitless
        ? `"${text}" has no unit: write ${text}s or ${text}ms`
        : `"${text}" is not a duration: write one like 300s, 1m30s or 500ms`,
    );
  }
  let ms = 0;
  for (const [, amount, unit] of text.matchAll(term)) ms += Number(amount) * (unitsMs[unit ?? ''] ?? 0);
  if (ms > longestMs) throw new Failure('usage', `"${text}" is too long: at most 24 days`);
  return Math.round(ms);
}

/** The shortest text that {@link parseDuration} parses to `ms`: `90000` is `1m30s`. */
export function formatDuration(ms: number): string {
  let rest = ms;
  let text = '';
  for (const unit of ['h', 'm', 's', 'ms']) {
    const count = Math.floor(rest / (unitsMs[unit] ?? 1));
    if (count > 0) text += `${count}${unit}`;
    rest -= count * (unitsMs[unit] ?? 1);
  }
  return text || '0s';
}
