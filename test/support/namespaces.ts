import { join } from 'node:path';
import { execa } from 'execa';

const dist = join(import.meta.dirname, '../../dist/src');
const unshare = 'unshare --net --mount --cgroup --pid --fork --kill-child --mount-proc --propagation private';

/**
 * Runs JavaScript in new namespaces, so that nothing outside changes. `setUp`: a shell script that prepares them. `body`: the
 * body of an async function, in which `use` imports a built module by its path in src, and `sh` runs a shell command and
 * returns its output. Resolves with the result of the function, or with `{ code, message, hint }` of its error; both as JSON.
 */
export async function inNamespaces(setUp: string, body: string): Promise<unknown> {
  const program = `
    const { execSync } = await import('node:child_process');
    const use = (module) => import(${JSON.stringify(dist)} + '/' + module);
    const sh = (command) => execSync(command, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim();
    const print = (value) => console.log(JSON.stringify(value ?? null));
    await (async () => { ${body} })().then(print, ({ code, message, hint }) => print({ code, message, hint }));
  `;
  const script = `set -e; ${setUp}\nexec '${process.execPath}' --input-type=module -e "$PROGRAM"`;
  const [file = '', ...args] = unshare.split(' ');
  const { stdout } = await execa(file, [...args, 'sh', '-c', script], { env: { PROGRAM: program } });
  return JSON.parse(stdout);
}
