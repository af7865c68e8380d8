import { cp, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../lib/errors.ts';
import type { Apt } from '../debian/apt.ts';
import { debianKubernetes } from '../find/cache.ts';
import { goTree, type GoTree } from './goTree.ts';
import { generateOpenApi } from './openapi.ts';
import { jobsFor, needDisk } from '../room.ts';
import type { Run } from '../run.ts';
import type { InstallStep } from '../stages.ts';

/** Measured at the peak, and some more. */
const diskBytes = 4 * 2 ** 30;
const memoryBytesPerJob = 2 ** 30;

/**
 * Without the SDKs of cloud providers and without dockershim, by upstream's own build tags: on a single node with
 * containerd they do nothing, and a third of the build is theirs.
 */
const tags = 'providerless,dockerless';

/** The variables that hack/lib/version.sh sets, with the commit of the tag v1.20.2. */
const versionVariables = {
  gitVersion: `v${debianKubernetes}`,
  gitMajor: '1',
  gitMinor: '20',
  gitCommit: 'faecb196815e248d3ecfb03c680a4507229c2a56',
  gitTreeState: 'archive',
};

/**
 * Builds these commands of Kubernetes from Debian's source package with Debian's Go, all of it below `work`, and leaves
 * the binaries in `out`. Needs neither a C compiler nor git, make, rsync or jq. Cut short, it starts clean next time, but for
 * downloads and compiled packages, which stay in `work`.
 */
export function kubernetesBuild(
  apt: Apt,
  run: Run,
  names: readonly string[],
  { work, out }: { work: string; out: string },
): InstallStep[] {
  const toolchain = join(work, 'toolchain');
  const tree = goTree('k8s.io/kubernetes', work, join(toolchain, 'usr/lib/go-1.19'), run);
  return [
    {
      label: 'Go toolchain',
      async work(report) {
        await mkdir(work, { recursive: true });
        await needDisk(work, diskBytes);
        await remove(toolchain);
        const packages = ['golang-1.19-go', 'golang-1.19-src', 'golang-github-modern-go-reflect2-dev'];
        await apt.unpack(packages, toolchain, report);
      },
    },
    {
      label: 'Kubernetes source',
      async work(report) {
        const files = await apt.source('kubernetes', /(?:^|really)1\.20\.2\b/, join(work, 'source'), report);
        report('unpack');
        await unpackSource(files, tree, out, run);
        await replaceReflect2(toolchain, tree);
      },
    },
    ...(names.includes('kube-apiserver')
      ? [{ label: 'Kubernetes OpenAPI code', work: () => generateOpenApi(tree) }]
      : []),
    {
      label: `Kubernetes ${debianKubernetes}, built once`,
      async work(report) {
        const commands = names.map((name) => `./cmd/${name}`);
        const total = (
          await tree.run('go', ['list', '-deps', '-tags', tags, ...commands], 'list packages')
        ).split('\n');
        let compiled = 0;
        const onLine = (line: string) =>
          report(`package ${++compiled} of at most ${total.length}, ${line.split('/').pop()}`);
        // Debug information (DWARF) would be made only to be thrown away by the linker's -s -w.
        const how = [
          '-trimpath',
          '-tags',
          tags,
          '-gcflags=all=-dwarf=false',
          '-ldflags',
          ldflags(tree.project),
        ];
        const jobs = String(await jobsFor(memoryBytesPerJob));
        await tree.run(
          'go',
          ['build', '-v', '-p', jobs, ...how, '-o', `${out}/`, ...commands],
          'build it',
          onLine,
        );
      },
    },
  ];
}

async function unpackSource(files: readonly string[], tree: GoTree, out: string, run: Run): Promise<void> {
  const tarball = files.find((file) => file.includes('.orig.tar.'));
  if (tarball === undefined)
    throw new Failure('install', `no source of Kubernetes among ${files.join(', ')}`);
  for (const dir of [tree.gopath, tree.temp, out]) await remove(dir);
  for (const dir of [tree.path, tree.temp, out]) await mkdir(dir, { recursive: true });
  // Debian's three patches, on how kubectl prints, are left out: they take patch(1), which a small machine lacks.
  const args = ['--extract', '--file', tarball, '--directory', tree.path, '--strip-components=1'];
  await run('tar', args, { what: 'unpack the source of Kubernetes' });
}

/** The vendored 1.0.1 crashes what Go >= 1.18 compiled, minutes after its start (SIGSEGV in mapiternext). */
async function replaceReflect2(toolchain: string, tree: GoTree): Promise<void> {
  const reflect2 = 'github.com/modern-go/reflect2';
  const vendored = join(tree.path, 'vendor', reflect2);
  await remove(vendored);
  await cp(join(toolchain, 'usr/share/gocode/src', reflect2), vendored, { recursive: true });
}

/** Tries again when a dying compiler of a killed build still writes there. */
function remove(dir: string): Promise<void> {
  return rm(dir, { recursive: true, force: true, maxRetries: 10 });
}

function ldflags(project: string): string {
  const packages = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'];
  const set = packages.flatMap((each) =>
    Object.entries(versionVariables).map(([name, value]) => `-X ${project}/vendor/${each}.${name}=${value}`),
  );
  return ['-s', '-w', ...set].join(' ');
}
