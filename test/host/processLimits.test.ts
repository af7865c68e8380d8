import { join } from 'node:path';
import { execa, execaSync } from 'execa';
import { describe, expect, it } from 'vitest';

const dist = join(import.meta.dirname, '../../dist/src/host/processLimits.js');

/** The limits that a child has, soft and hard, of a process that was started with these limits and set its own. */
async function limits(ulimit: string): Promise<{ result: unknown; child: Record<string, string> }> {
  const program = `
    const { execFileSync } = await import('node:child_process');
    const { setProcessLimits } = await import(${JSON.stringify(dist)});
    const result = setProcessLimits();
    const columns = ['--raw', '--noheadings', '--output', 'RESOURCE,SOFT,HARD'];
    const child = execFileSync('prlimit', columns, { encoding: 'utf8' });
    console.log(JSON.stringify({ result, child }));
  `;
  const script = `set -e; ${ulimit}; exec '${process.execPath}' --input-type=module -e "$PROGRAM"`;
  const { stdout } = await execa('sh', ['-c', script], { env: { PROGRAM: program } });
  const { result, child } = JSON.parse(stdout) as { result: unknown; child: string };
  const rows = child
    .trim()
    .split('\n')
    .map((line) => line.split(' '));
  return { result, child: Object.fromEntries(rows.map(([name, soft, hard]) => [name, `${soft}:${hard}`])) };
}

const subject = 'limits';

it('raises the soft limits with which a program of the node does not get along', async () => {
  const { result, child } = await limits('ulimit -S -f 20000; ulimit -S -t 3600');
  expect(child).toMatchObject({ FSIZE: 'unlimited:unlimited', CPU: 'unlimited:unlimited' });
  expect(result).toEqual({ level: 'ok', subject, message: 'raised or lowered: cpu time, file size' });
});

it('leaves limits that suffice', async () => {
  const { result, child } = await limits('ulimit -n 16384');
  expect(child).toMatchObject({ NOFILE: '16384:16384' });
  expect(result).toEqual({ level: 'ok', subject, message: 'those of the shell suffice' });
});

describe('hard limits', () => {
  // CAP_SYS_RESOURCE, which root lacks in many containers.
  const script = 'ulimit -n 256; prlimit --pid=$$ --nofile=512:512';
  const canRaise = execaSync('sh', ['-c', script], { reject: false }).exitCode === 0;

  it('are raised where this process may, and otherwise named; the others are set all the same', async () => {
    const { result, child } = await limits('ulimit -n 256; ulimit -f 20000; ulimit -S -t 3600');
    expect(child).toMatchObject({ CPU: 'unlimited:unlimited' });
    if (canRaise) {
      expect(child).toMatchObject({ NOFILE: '16384:16384', FSIZE: 'unlimited:unlimited' });
      expect(result).toMatchObject({ level: 'ok' });
    } else {
      expect(child).toMatchObject({ NOFILE: '256:256' });
      const message = 'the node is limited like the shell that starts it: file size, open files';
      expect(result).toMatchObject({ level: 'note', subject, message });
    }
  });

  it('a number of open files without a bound is bounded', async () => {
    const { child } = await limits('ulimit -n "$(cat /proc/sys/fs/nr_open)" 2>/dev/null || :');
    expect(Number(child['NOFILE']?.split(':')[0])).toBeLessThanOrEqual(1_048_576);
  });
});
