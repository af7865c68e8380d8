import { nodeBinaries } from '../install/find/binaries.ts';
import type { SourceName } from '../install/sources.ts';
import { Signals } from '../lib/signals.ts';
import { table } from '../lib/text/table.ts';
import { binDirsOfEnvironment } from '../supervisor/options.ts';
import { resolveBinaries } from '../supervisor/resolveBinaries.ts';

interface InstallOptions {
  readonly binDir?: readonly string[];
  readonly source: SourceName;
  readonly kubernetes?: string;
}

/** `k8s-single install`: installs what is missing and prints `name version path` for each binary. */
export async function install({ binDir = [], source, kubernetes }: InstallOptions): Promise<number> {
  const binDirs = [...binDir, ...binDirsOfEnvironment()];
  using signals = new Signals();
  const { files, versions } = await resolveBinaries(
    { output: 'auto', source, install: true },
    { binDirs, ...(kubernetes === undefined ? {} : { kubernetes }) },
    signals.interrupted,
  );
  const rows = nodeBinaries.map(({ name }) => [name, versions[name], files[name]]);
  for (const line of table(rows)) console.log(line);
  return 0;
}
