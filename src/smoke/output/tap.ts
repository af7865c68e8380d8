import { stringify } from 'yaml';
import type { Result } from '../check.ts';
import type { View } from './view.ts';

/** TAP 14 (https://testanything.org/tap-version-14-specification.html), each result as it comes. */
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
  const ok = result.is === 'failed' ? 'not ok' : 'ok';
  const line = `${ok} ${number} - ${escaped(result.check)}`;
  if (result.is === 'skipped') return `${line} # SKIP ${escaped(result.reason)}\n`;
  const { ms } = result;
  const told = result.is === 'failed' ? { message: result.reason, evidence: result.evidence } : {};
  return `${line}\n${diagnostics({ duration_ms: Math.round(ms), ...told })}`;
}

function diagnostics(told: object): string {
  const lines = ['---', ...stringify(told, { lineWidth: 0 }).trimEnd().split('\n'), '...'];
  return lines.map((line) => `  ${line}\n`).join('');
}

/** `#` would begin a directive. */
function escaped(text: string): string {
  return text.replaceAll(/[\\#]/g, String.raw`\$&`).replaceAll(/\s+/g, ' ');
}
