import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** In a sandbox: fills the gaps of /usr with an unpacked Debian tree, so that its programs find their modules. */
export function overlayUsr(debianRoot: string): void {
  const options = `lowerdir=/usr:${join(debianRoot, 'usr')}`;
  execFileSync('mount', ['--no-mtab', '-t', 'overlay', '-o', options, 'overlay', '/usr']);
}
