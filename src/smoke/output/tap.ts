import { stringify } from 'yaml';
import type { Result } from '../check.ts';
import type { View } from './view.ts';

/** TAP 14 (https://testanything.org/tap-version-14-specification.html): a test point when a check ends. */
export function tapView(write: (text: string) => void, count: number): View {
  let number = 0;
  write(`TAP version 14\n1..${count}\n`);
  return {
    started: () => undefined,
    waiting: () => undefined,
    ended: (result) => {
      number += 1;
      write(testPoint(number, result));
    },
    end: (_results, _ms, interrupted) => {
      if (interrupted !== undefined) write(`Bail out! interrupted by ${interrupted}\n`);
    },
  };
}

function testPoint(number: number, result: Result): string {
  const ok = result.outcome === 'failed' ? 'not ok' : 'ok';
  const line = `${ok} ${number} - ${escaped(result.check)}`;
  if (result.outcome === 'skipped') return `${line} # SKIP ${escaped(result.reason)}\n`;
  const { ms } = result;
  const failure = result.outcome === 'failed' ? { message: result.reason, evidence: result.evidence } : {};
  return `${line}\n${diagnostics({ duration_ms: Math.round(ms), ...failure })}`;
}

function diagnostics(values: object): string {
  const lines = ['---', ...stringify(values, { lineWidth: 0 }).trimEnd().split('\n'), '...'];
  return lines.map((line) => `  ${line}\n`).join('');
}

/** `#` would start a directive. */
function escaped(text: string): string {
  return text.replaceAll(/[\\#]/g, String.raw`\$&`).replaceAll(/\s+/g, ' ');
}
