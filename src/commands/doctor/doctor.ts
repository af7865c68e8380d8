import type { CheckResult } from '../../host/checkResult.ts';
import { exitCodes } from '../../lib/errors.ts';
import { styleFor } from '../../observe/terminal/style.ts';
import { runChecks } from './checks.ts';
import type { DoctorOptions } from './checks.ts';

const marks = { ok: '✓', note: '·', problem: '✗' } as const;
const colours = { ok: 'green', note: 'yellow', problem: 'red' } as const;

/** `k8s-single doctor`: prints the result of each check; exits with the preflight code if `up` would fail. */
export async function doctor(options: DoctorOptions): Promise<number> {
  const results = await runChecks(options);
  const style = styleFor(process.stdout, process.env);
  const width = Math.max(...results.map(({ subject }) => subject.length));
  for (const { level, subject, message, remedy } of results) {
    console.log(`${style(colours[level], marks[level])} ${subject.padEnd(width)}  ${message}`);
    if (remedy !== undefined) console.log(`  ${' '.repeat(width)}  ${style('dim', remedy)}`);
  }
  return results.some(isProblem) ? exitCodes.preflight : exitCodes.ok;
}

function isProblem({ level }: CheckResult): boolean {
  return level === 'problem';
}
