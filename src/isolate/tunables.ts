import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tool } from './tool.ts';

/** What kubelet writes when it starts, all of it the whole machine's (setupKernelTunables in pkg/kubelet/cm). */
const tunables = [
  'kernel/keys/root_maxbytes',
  'kernel/keys/root_maxkeys',
  'kernel/panic',
  'kernel/panic_on_oops',
  'vm/overcommit_memory',
  'vm/panic_on_oom',
];

/** Lays plain files over the kernel's settings that kubelet insists on writing, so that the host keeps its own. */
export async function shadowTunables(stage: string): Promise<void> {
  await mkdir(join(stage, 'tunables'));
  await Promise.all(
    tunables.map(async (name) => {
      const real = join('/proc/sys', name);
      const shadow = join(stage, 'tunables', name.replaceAll('/', '.'));
      await writeFile(shadow, await readFile(real));
      await tool('mount', ['--bind', shadow, real]);
    }),
  );
}
