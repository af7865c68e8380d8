import { readdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { access, constants } from 'node:fs/promises';
import { execa } from 'execa';

/** The path of catatonit: the machine's own, or out of Debian's package, unpacked into `folder`. */
export async function catatonit(folder: string): Promise<string> {
  for (const dir of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(dir, 'catatonit');
    if (
      await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return path;
  }
  await execa('apt-get', ['download', 'catatonit'], { cwd: folder });
  const archive = (await readdir(folder)).find((file) => file.endsWith('.deb'));
  await execa('dpkg', ['-x', archive ?? '', '.'], { cwd: folder });
  return join(folder, 'usr/bin/catatonit');
}
