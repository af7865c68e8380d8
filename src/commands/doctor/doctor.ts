import { exitCodes } from '../../lib/errors.ts';
import { styleFor } from '../../observe/terminal/style.ts';
import { examine } from './examine.ts';
import type { DoctorOptions } from './examine.ts';
import type { Finding } from '../../host/checkResult.ts';

const marks = { fine: '✓', note: '·', problem: '✗' } as const;
const colours = { fine: 'green', note: 'yellow', problem: 'red' } as const;

/** `k8s-single doctor`: exits with the preflight code when something would keep `up` from succeeding. */
export async function doctor(options: DoctorOptions): Promise<number> {
  const findings = await examine(options);
  const style = styleFor(process.stdout, process.env);
  const width = Math.max(...findings.map(({ what }) => what.length));
  for (const { is, what, found, mend } of findings) {
    console.log(`${style(colours[is], marks[is])} ${what.padEnd(width)}  ${found}`);
    if (mend !== undefined) console.log(`  ${' '.repeat(width)}  ${style('dim', mend)}`);
  }
  return findings.some(isProblem) ? exitCodes.preflight : exitCodes.ok;
}

function isProblem({ is }: Finding): boolean {
  return is === 'problem';
}
