// node image/build.mjs [OPTIONS OF `docker build`]: builds the image `k8s-single` by image/Dockerfile out of what the registries
// of Debian and npm have, as this machine is set up to use them. Needs root, Debian 12, the build (npm run build) and Docker
// with BuildKit. What it is made from is kept in the user's cache and brought anew only when another one is asked for.
import { createHash } from 'node:crypto';
import { copyFile, link, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { privateApt } from '../dist/src/install/debian/apt.js';
import { debianArch } from '../dist/src/install/find/cache.js';
import { install } from '../dist/src/install/install.js';
import { withLock } from '../dist/src/install/lock.js';
import { nodeNeeds } from '../dist/src/install/find/needs.js';
import { runner } from '../dist/src/install/run.js';
import { binDirsOfEnvironment } from '../dist/src/supervisor/options.js';
import { cacheDir } from '../dist/src/lib/paths.js';

const project = fileURLToPath(new URL('..', import.meta.url));
const recipe = join(project, 'image/Dockerfile');
const cache = join(cacheDir(), 'image');
/** What `docker build` is given: the four parts. */
const context = join(cache, 'context');
const { signal } = new AbortController();
const say = (text) => console.error(text);
const onProgress = ({ label, detail }) => say([label, detail].filter(Boolean).join(': '));

/** Makes a part of the context, unless the one that is there was made from the same. */
async function part(name, from, make) {
  const key = createHash('sha256').update(JSON.stringify(from)).digest('hex');
  const [target, stamp] = [join(context, name), join(cache, `${name}.made-from`)];
  if ((await readFile(stamp, 'utf8').catch(() => '')) === key) return;
  say(`${name} ...`);
  const half = join(cache, `${name}.half`);
  for (const old of [stamp, half, target]) await rm(old, { recursive: true, force: true });
  await make(half);
  await rename(half, target);
  await writeFile(stamp, key);
}

/** A minimal Debian with the packages, out of the machine's own package sources as far as they are Debian's. */
async function debian() {
  const packages = (await readFile(join(project, 'image/packages'), 'utf8')).trim().split('\n');
  const prune = join(project, 'image/prune');
  const include = ['usr-is-merged', ...packages].join(',');
  const from = { include, prune: await readFile(prune, 'utf8'), debianArch };
  await part('debian.tar', from, async (target) => {
    const [dir, tools] = [join(cache, 'apt'), join(cache, 'tools')];
    const run = runner({ logFile: join(cache, 'build.log'), signal });
    await privateApt(dir, run).unpack(['mmdebstrap'], tools, say);
    const policy = await run('apt-cache', ['-c', join(dir, 'apt.conf'), 'policy'], { what: 'list sources' });
    const sources = join(cache, 'sources.list');
    await writeFile(sources, debianSources(policy).join('\n'));
    const settings = join(cache, 'apt.conf');
    const format = ['dump', '--no-empty', '--format', '%F "%v";%n', 'Acquire'];
    await writeFile(settings, await run('apt-config', format, { what: "read apt's configuration" }));
    // The names of this machine and of its mirror are nobody else's.
    const ours = ['hostname', 'resolv.conf', 'apt/sources.list.d/*', 'apt/apt.conf.d/99mmdebstrap'];
    const forget = `rm ${ours.map((file) => `"$1"/etc/${file}`).join(' ')}`;
    const args = [
      '--mode=root',
      '--variant=minbase',
      '--format=tar',
      '--skip=output/dev',
      `--include=${include}`,
      `--aptopt=${settings}`,
      `--hook-dir=${join(tools, 'usr/share/mmdebstrap/hooks/merged-usr')}`,
      `--customize-hook=sh ${prune} "$1" && ${forget}`,
      'bookworm',
      target,
      sources,
    ];
    // Its files lie where it looks for them, for it alone.
    const inPlace = 'mount -t overlay -o "lowerdir=/usr:$0/usr" overlay /usr && exec mmdebstrap "$@"';
    const onLine = (line) => line.startsWith('I: ') && say(line.slice(3));
    await run('unshare', ['--mount', 'sh', '-c', inPlace, tools, ...args], {
      what: 'make a minimal Debian',
      onLine,
    });
    for (const rest of [dir, tools]) await rm(rest, { recursive: true, force: true });
  });
}

/** The sources that `apt-cache policy` says are Debian's own, the suites of this release, a line each (sources.list(5)). */
function debianSources(policy) {
  const found = policy.matchAll(
    /^ *-?\d+ (\S+) (\S+?)\/(\S+) .*\n +release .*\bo=Debian,.*\bn=(bookworm\S*?),/gm,
  );
  const lines = new Set([...found].map(([, url, suite, component]) => `deb ${url} ${suite} ${component}`));
  if (lines.size === 0) throw new Error("this machine's package sources are not those of Debian 12");
  return [...lines];
}

/** The Node.js that the recipe asks for, as npm's registry has it. */
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

/** What `k8s-single install` brings; K8S_SINGLE_BIN_DIR is looked in first. */
async function kubernetes() {
  const needs = nodeNeeds.filter((need) => !('debian' in need));
  const order = { binDirs: binDirsOfEnvironment(), path: '', cacheDir: cacheDir(), needs, onProgress };
  const { files } = await install(order);
  const from = await Promise.all(
    Object.values(files).map(async (file) => ({
      file,
      size: (await stat(file)).size,
      at: (await stat(file)).mtimeMs,
    })),
  );
  await part('kubernetes', from, async (target) => {
    await mkdir(target);
    for (const [name, file] of Object.entries(files)) {
      await link(file, join(target, name)).catch(() => copyFile(file, join(target, name)));
    }
  });
}

/** Resolves with the exit code of `docker build`. */
async function build() {
  await mkdir(context, { recursive: true });
  return withLock(join(cache, 'lock'), { signal, onWait: say }, async () => {
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
    const how = { env: { DOCKER_BUILDKIT: '1' }, stdio: 'inherit', reject: false };
    const { exitCode, shortMessage } = await execa('docker', ['build', ...args, context], how);
    if (exitCode !== 0) say(shortMessage);
    return exitCode ?? 1;
  });
}

process.exitCode = await build().catch((error) => {
  say([error.message, error.hint].filter(Boolean).join('\n'));
  return 1;
});
