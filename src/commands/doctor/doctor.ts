import { exitCodes } from '../../lib/errors.ts';
import { styleFor } from '../../observe/terminal/style.ts';
import { runChecks } from './examine.ts';
import type { DoctorOptions } from './examine.ts';
import type { CheckResult } from '../../host/checkResult.ts';

const marks = { fine: '✓', note: '·', problem: '✗' } as const;
const colours = { fine: 'green', note: 'yellow', problem: 'red' } as const;

/** `k8s-single doctor`: exits with the preflight code when something would keep `up` from succeeding. */
export async function doctor(options: DoctorOptions): Promise<number> {
  const findings = await runChecks(options);
  const style = styleFor(process.stdout, process.env);
  const width = Math.max(...findings.map(({ subject }) => subject.length));
  for (const { level, subject: what, message, remedy } of findings) {
    console.log(`${style(colours[level], marks[level])} ${what.padEnd(width)}  ${message}`);
    if (remedy !== undefined) console.log(`  ${' '.repeat(width)}  ${style('dim', remedy)}`);
  }
  return findings.some(isProblem) ? exitCodes.preflight : exitCodes.ok;
}

function isProblem({ level }: CheckResult): boolean {
  return level === 'problem';
}
