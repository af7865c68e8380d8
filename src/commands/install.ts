import { nodeBinaries } from '../install/find/binaries.ts';
import type { SourceName } from '../install/sources.ts';
import { Signals } from '../lib/signals.ts';
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
  const width = Math.max(...nodeBinaries.map(({ name }) => name.length));
  const versionWidth = Math.max(...Object.values(versions).map((version) => version.length));
  for (const { name } of nodeBinaries) {
    console.log(`${name.padEnd(width)}  ${versions[name].padEnd(versionWidth)}  ${files[name]}`);
  }
  return 0;
}
