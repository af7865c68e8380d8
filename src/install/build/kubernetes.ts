import { cp, mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Failure } from '../../lib/errors.ts';
import type { PrivateApt } from '../debian/apt.ts';
import { debianKubernetes } from '../find/cacheLayout.ts';
import type { Run } from '../run.ts';
import type { InstallStep } from '../steps.ts';
import { parallelJobs, requireDiskSpace } from './resources.ts';

/** Measured at the peak, with a margin. */
const diskBytes = 4 * 2 ** 30;
const memoryBytesPerJob = 2 ** 30;

/** The import path of the source tree. */
const project = 'k8s.io/kubernetes';

/**
 * Without the SDKs of cloud providers and without dockershim, by upstream's own build tags: a single node with containerd
 * does not use them, and they take a third of the build.
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
 * Builds these commands of Kubernetes from Debian's source package with Debian's Go, below `work`, and leaves the binaries in
 * `out`. Needs no C compiler, git, make, rsync or jq. After an interruption it starts again, but downloads and compiled
 * packages stay in `work`.
 */
export function kubernetesBuild(
  apt: PrivateApt,
  run: Run,
  names: readonly string[],
  { work, out }: { work: string; out: string },
): InstallStep[] {
  const toolchain = join(work, 'toolchain');
  const workspace = goWorkspace(work, join(toolchain, 'usr/lib/go-1.19'), run);
  return [
    {
      label: 'Go toolchain',
      async work(report) {
        await mkdir(work, { recursive: true });
        await requireDiskSpace(work, diskBytes);
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
        await unpackSource(files, workspace, out, run);
        await replaceReflect2(toolchain, workspace);
      },
    },
    ...(names.includes('kube-apiserver')
      ? [{ label: 'Kubernetes OpenAPI code', work: () => generateOpenApi(workspace) }]
      : []),
    {
      label: `Kubernetes ${debianKubernetes}, built once`,
      async work(report) {
        const commands = names.map((name) => `./cmd/${name}`);
        const packages = await workspace.run(
          'go',
          ['list', '-deps', '-tags', tags, ...commands],
          'list packages',
        );
        const total = packages.split('\n').length;
        let compiled = 0;
        const onLine = (line: string) =>
          report(`package ${++compiled} of at most ${total}, ${line.split('/').pop()}`);
        // Without debug information (DWARF), which the linker's -s -w would drop.
        const flags = ['-trimpath', '-tags', tags, '-gcflags=all=-dwarf=false', '-ldflags', ldflags()];
        const jobs = String(await parallelJobs(memoryBytesPerJob));
        await workspace.run(
          'go',
          ['build', '-v', '-p', jobs, ...flags, '-o', `${out}/`, ...commands],
          'build it',
          onLine,
        );
      },
    },
  ];
}

/** A GOPATH workspace with the source tree. */
interface GoWorkspace {
  /** The top of the source tree. */
  readonly path: string;
  readonly gopath: string;
  readonly temp: string;
  /** Runs `go`, or another program, at the top of the tree, isolated from our own environment. */
  readonly run: (
    file: string,
    args: readonly string[],
    what: string,
    onLine?: (line: string) => void,
  ) => Promise<string>;
}

/** The workspace below `work`, for the Go at `goroot`. Go's module mode and the network are off. */
function goWorkspace(work: string, goroot: string, run: Run): GoWorkspace {
  const gopath = join(work, 'gopath');
  const path = join(gopath, 'src', project);
  const temp = join(work, 'tmp');
  const env = {
    PATH: `${join(goroot, 'bin')}:/usr/bin:/bin`,
    HOME: work,
    LC_ALL: 'C',
    TMPDIR: temp,
    GOROOT: goroot,
    GOPATH: gopath,
    GOCACHE: join(work, 'gocache'),
    GOENV: 'off',
    GO111MODULE: 'off',
    GOPROXY: 'off',
    CGO_ENABLED: '0',
  };
  return {
    path,
    gopath,
    temp,
    run: (file, args, what, onLine) => {
      const program = file === 'go' ? join(goroot, 'bin/go') : file;
      return run(program, args, { what, env, isolateEnv: true, cwd: path, ...(onLine && { onLine }) });
    },
  };
}

async function unpackSource(
  files: readonly string[],
  { path, gopath, temp }: GoWorkspace,
  out: string,
  run: Run,
): Promise<void> {
  const tarball = files.find((file) => file.includes('.orig.tar.'));
  if (tarball === undefined)
    throw new Failure('install', `no source of Kubernetes among ${files.join(', ')}`);
  for (const dir of [gopath, temp, out]) await remove(dir);
  for (const dir of [path, temp, out]) await mkdir(dir, { recursive: true });
  // Without Debian's three patches, on kubectl's output: they need patch(1), which a small machine lacks.
  const args = ['--extract', '--file', tarball, '--directory', path, '--strip-components=1'];
  await run('tar', args, { what: 'unpack the source of Kubernetes' });
}

/** The vendored 1.0.1 crashes programs compiled with Go >= 1.18 minutes after their start (SIGSEGV in mapiternext). */
async function replaceReflect2(toolchain: string, { path }: GoWorkspace): Promise<void> {
  const reflect2 = 'github.com/modern-go/reflect2';
  const vendored = join(path, 'vendor', reflect2);
  await remove(vendored);
  await cp(join(toolchain, 'usr/share/gocode/src', reflect2), vendored, { recursive: true });
}

/**
 * Generates the one file that the source package lacks, as build/root/Makefile.generated_files does for its target KUBE; but
 * without make, which would compile and run every other generator first.
 */
async function generateOpenApi({ temp, run }: GoWorkspace): Promise<void> {
  const generator = join(temp, 'openapi-gen');
  await run(
    'go',
    ['build', '-o', generator, './vendor/k8s.io/kube-openapi/cmd/openapi-gen'],
    'build openapi-gen',
  );
  const pattern = String.raw`^// *\+k8s:openapi-gen=`;
  const tagged = await run(
    'grep',
    ['-rlE', '--include=*.go', pattern, 'pkg', 'cmd', 'plugin', 'staging/src/k8s.io'],
    'find the API types',
  );
  const dirs = tagged
    .split('\n')
    .filter((file) => !/^staging\/src\/k8s\.io\/(?:code-generator|sample-apiserver)\//.test(file))
    .map((file) => `${project}/${dirname(file).replace(/^staging\/src\//, 'vendor/')}`);
  const options = {
    '--input-dirs': [...new Set(dirs)].sort().join(','),
    '--output-package': `${project}/pkg/generated/openapi`,
    '--output-file-base': 'zz_generated.openapi',
    '--go-header-file': 'hack/boilerplate/boilerplate.generatego.txt',
    '--report-filename': join(temp, 'violations'),
  };
  await run(generator, ['--logtostderr', ...Object.entries(options).flat()], 'generate the OpenAPI code');
}

function ldflags(): string {
  const packages = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'];
  const set = packages.flatMap((each) =>
    Object.entries(versionVariables).map(([name, value]) => `-X ${project}/vendor/${each}.${name}=${value}`),
  );
  return ['-s', '-w', ...set].join(' ');
}

/** Retries while a compiler of an interrupted build, which is being killed, still writes there. */
function remove(dir: string): Promise<void> {
  return rm(dir, { recursive: true, force: true, maxRetries: 10 });
}
