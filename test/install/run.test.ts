import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Unhealthy, type Probe } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import { runner } from '../../src/install/run.ts';
import { tempDir } from '../support/cli.ts';

const never = new AbortController().signal;

test('a command resolves with its stdout; all its output is reported by line and logged', async () => {
  const logFile = join(await tempDir('run'), 'log');
  const lines: string[] = [];
  const onLine = (line: string) => lines.push(line);
  const run = runner({ logFile, signal: never });
  const out = await run('sh', ['-c', 'echo one; echo two >&2'], { what: 'count', onLine });
  expect(out).toBe('one');
  expect(lines.sort()).toEqual(['one', 'two']);
  expect(await readFile(logFile, 'utf8')).toMatch(
    /^\$ sh -c 'echo one; echo two >&2'\n(?:one\ntwo|two\none)\n$/,
  );
});

test('a failure has the purpose, the last 20 lines, the log file and the command to paste', async () => {
  const dir = await tempDir('run');
  const logFile = join(dir, 'log');
  const failed = runner({ logFile, signal: never })('sh', ['-c', 'seq 30; exit 3'], {
    what: 'build it',
    cwd: dir,
    env: { GOFLAGS: '', WHY: "it's so" },
  });
  const last = Array.from({ length: 20 }, (_, i) => i + 11).join('\n');
  await expect(failed).rejects.toMatchObject({
    code: 'install',
    message: `could not build it: exit 3\n${last}`,
    hint:
      `the whole output is in ${logFile}; the command was\n` +
      `cd ${dir} && GOFLAGS='' WHY='it'\\''s so' sh -c 'seq 30; exit 3'`,
  });
});

test('with isolateEnv, a command has only the given environment', async () => {
  const run = runner({ logFile: join(await tempDir('run'), 'log'), signal: never });
  const env = { PATH: '/usr/bin:/bin' };
  expect(await run('sh', ['-c', 'echo "${HOME-none}"'], { what: 'look', env, isolateEnv: true })).toBe(
    'none',
  );
});

test('a missing program is named', async () => {
  const run = runner({ logFile: join(await tempDir('run'), 'log'), signal: never });
  await expect(run('/no/such/go', [], { what: 'build it' })).rejects.toThrow(
    /could not build it: .*\n?.*\/no\/such\/go/,
  );
});

test('an abort kills the command and what it started, and rejects with the reason', async () => {
  const stop = new AbortController();
  const run = runner({ logFile: join(await tempDir('run'), 'log'), signal: stop.signal });
  const reason = new Error('interrupted');
  let child = '';
  const ended = run('sh', ['-c', "sh -c 'echo $$; exec sleep 1000' & wait"], {
    what: 'wait',
    onLine: (pid) => {
      child = pid;
      stop.abort(reason);
    },
  });
  await expect(ended).rejects.toBe(reason);
  expect(child).toMatch(/^\d+$/);
  const gone: Probe = async () => {
    // Empty for a zombie.
    if (await readFile(`/proc/${child}/cmdline`, 'utf8').catch(() => '')) throw new Unhealthy('it is there');
  };
  await until(gone, { timeoutMs: 10_000 }, never);
});
