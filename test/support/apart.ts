import { join } from 'node:path';
import { execa } from 'execa';

const dist = join(import.meta.dirname, '../../dist/src');
const unshare = 'unshare --net --mount --cgroup --pid --fork --kill-child --mount-proc --propagation private';

/**
 * Furnishes namespaces with a shell script, and runs the body of a function there; `use` in it imports a built module of
 * src, by its path there, `sh` runs a shell command and returns what it prints. Nothing outside changes. Resolves with what the function
 * returns, or with `{ code, message, hint }` of what it threw; through JSON.
 */
export async function apart(furnish: string, body: string): Promise<unknown> {
  const program = `
    const { execSync } = await import('node:child_process');
    const use = (module) => import(${JSON.stringify(dist)} + '/' + module);
    const sh = (command) => execSync(command, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim();
    const print = (what) => console.log(JSON.stringify(what ?? null));
    await (async () => { ${body} })().then(print, ({ code, message, hint }) => print({ code, message, hint }));
  `;
  const script = `set -e; ${furnish}\nexec '${process.execPath}' --input-type=module -e "$PROGRAM"`;
  const [file = '', ...args] = unshare.split(' ');
  const { stdout } = await execa(file, [...args, 'sh', '-c', script], { env: { PROGRAM: program } });
  return JSON.parse(stdout);
}
