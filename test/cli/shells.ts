import { once } from 'node:events';
import { appendFile, chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, onTestFinished } from 'vitest';
import { main, tempDir } from '../support/cli.ts';

/** An interactive shell on a terminal of its own that knows the completion of k8s-single, which is in its PATH. */
export interface Shell {
  /** What the line has become after this was typed and the tab key pressed. */
  tab(typed: string): Promise<string>;
}

/** A folder with the program under the name that people type. */
export async function programFolder(): Promise<string> {
  const dir = await tempDir('completion');
  const program = join(dir, 'k8s-single');
  await writeFile(program, `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`);
  await chmod(program, 0o755);
  return dir;
}

/** `rc` is run when the shell starts; its ^T appends the line to `$LINES_FILE`. Prompts are made by this. */
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
  let shown = '';
  terminal.stdout.setEncoding('utf8').on('data', (text: string) => (shown += text));
  while (!shown.includes('your turn> ')) await once(terminal.stdout, 'data');
  let count = 0;
  return {
    async tab(typed) {
      count += 1;
      // ^U empties the line, ^T writes it down.
      terminal.stdin.write(`\u0015${typed}\t\u0014`);
      const written = async (): Promise<string[]> => (await readFile(lines, 'utf8')).split('\n').slice(0, -1);
      await expect
        .poll(async () => (await written()).length, { timeout: 20_000, message: shown })
        .toBe(count);
      return (await written())[count - 1]!;
    },
  };
}
