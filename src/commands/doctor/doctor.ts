import type { CheckResult } from '../../host/checkResult.ts';
import { exitCodes } from '../../lib/errors.ts';
import { table } from '../../lib/text/table.ts';
import type { Cell } from '../../lib/text/table.ts';
import { styleFor } from '../../observe/terminal/style.ts';
import { runChecks } from './checks.ts';
import type { DoctorOptions } from './checks.ts';

const marks = { ok: '✓', note: '·', problem: '✗' } as const;
const colours = { ok: 'green', note: 'yellow', problem: 'red' } as const;

/** `k8s-single doctor`: prints the result of each check; exits with the preflight code if `up` would fail. */
export async function doctor(options: DoctorOptions): Promise<number> {
  const results = await runChecks(options);
  const style = styleFor(process.stdout, process.env);
  const rows = results.flatMap(({ level, subject, message, remedy }): Cell[][] => [
    [{ text: marks[level], style: (text) => style(colours[level], text) }, subject, message],
    ...(remedy === undefined
      ? []
      : [['', '', { text: remedy, style: (text: string) => style('dim', text) }]]),
  ]);
  for (const line of table(rows, { columns: [{ gap: 1 }] })) console.log(line);
  return results.some(isProblem) ? exitCodes.preflight : exitCodes.ok;
}

function isProblem({ level }: CheckResult): boolean {
  return level === 'problem';
}
