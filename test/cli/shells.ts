import { once } from 'node:events';
import { appendFile, chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, onTestFinished } from 'vitest';
import { main, tempDir } from '../support/cli.ts';

/** An interactive shell on a terminal of its own, with k8s-single in its PATH and its completion loaded. */
export interface Shell {
  /** Types this and presses the tab key; resolves with the line after that. */
  tab(typed: string): Promise<string>;
}

/** A folder with the program as `k8s-single`. */
export async function programFolder(): Promise<string> {
  const dir = await tempDir('completion');
  const program = join(dir, 'k8s-single');
  await writeFile(program, `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`);
  await chmod(program, 0o755);
  return dir;
}

/** Starts a shell with the start-up files `rc`, which set the prompt `PROMPT> ` and make ^T append the line to `$LINES_FILE`. */
export async function shellOnTerminal(
  command: string,
  { dir, rc, env }: { dir: string; rc: Readonly<Record<string, string>>; env: NodeJS.ProcessEnv },
): Promise<Shell> {
  const lines = join(dir, 'lines');
  await mkdir(join(dir, 'home'), { recursive: true });
  await appendFile(lines, '');
  for (const [file, text] of Object.entries(rc)) await writeFile(join(dir, 'home', file), text);
  const terminal = execa('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    cwd: dir,
    env: {
      ...env,
      HOME: join(dir, 'home'),
      PATH: `${dir}:${process.env['PATH']}`,
      LINES_FILE: lines,
      TERM: 'xterm',
    },
    reject: false,
    buffer: false,
    stderr: 'inherit',
  });
  onTestFinished(async () => {
    terminal.kill('SIGKILL');
    await terminal;
  });
  let screen = '';
  terminal.stdout.setEncoding('utf8').on('data', (text: string) => (screen += text));
  while (!screen.includes('PROMPT> ')) await once(terminal.stdout, 'data');
  let count = 0;
  return {
    async tab(typed) {
      count += 1;
      // ^U clears the line, ^T records it.
      terminal.stdin.write(`\u0015${typed}\t\u0014`);
      const recorded = async (): Promise<string[]> =>
        (await readFile(lines, 'utf8')).split('\n').slice(0, -1);
      await expect
        .poll(async () => (await recorded()).length, { timeout: 20_000, message: screen })
        .toBe(count);
      return (await recorded())[count - 1]!;
    },
  };
}
