import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { moveInto } from '../../lib/atomicFile.ts';
import { Failure } from '../../lib/errors.ts';
import { debianArch } from '../find/cacheLayout.ts';
import type { Run } from '../run.ts';
import type { Report } from '../steps.ts';

const quiet = { LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };

/**
 * Debian's archive, as configured on this machine, through an apt with its own state below `dir`. Nothing is installed and
 * nothing of the system changes. Packages that were downloaded but not unpacked yet stay there for the next time.
 * Updates the package lists once, before the first download.
 */
export class PrivateApt {
  readonly #dir: string;
  readonly #config: string;
  readonly #run: Run;
  #prepared: Promise<void> | undefined;
  /** One broken source among many may not matter: reported only when a package cannot be downloaded. */
  #updateFailure: unknown;

  constructor(dir: string, run: Run) {
    this.#dir = dir;
    this.#config = join(dir, 'apt.conf');
    this.#run = run;
  }

  /** Downloads the packages, with all dependencies beyond a minimal Debian, and unpacks them below `root`. */
  async unpack(packages: readonly string[], root: string, report: Report): Promise<void> {
    const archives = join(this.#dir, 'archives', basename(root));
    await mkdir(join(archives, 'partial'), { recursive: true });
    await mkdir(root, { recursive: true });
    const what = `download ${packages.join(', ')}`;
    const install = ['-q', '-y', 'install', ...packages];
    // With an empty archive: packages that are already downloaded would not be listed.
    const list = await this.#apt('apt-get', ['-qq', '--print-uris', ...install], what, report);
    const files = [...list.matchAll(/^'[^']+' (\S+\.deb) \d+/gm)].map((match) => match[1] ?? '');
    const toArchives = ['-o', `Dir::Cache::archives=${archives}`, '--download-only'];
    await this.#apt('apt-get', [...toArchives, ...install], what, report);
    // Beside it: other programs there run meanwhile, with libraries that these packages have, too.
    const unpacked = `${root}.unpacking`;
    await rm(unpacked, { recursive: true, force: true });
    for (const [i, file] of files.entries()) {
      report(`unpack ${file.split('_')[0]} (${i + 1} of ${files.length})`);
      await this.#run('dpkg-deb', ['--extract', join(archives, file), unpacked], { what: `unpack ${file}` });
    }
    if (files.length > 0) await moveInto(root, unpacked);
    await rm(archives, { recursive: true });
  }

  /** Downloads a source package in the first version that matches; resolves with its files. */
  async source(name: string, version: RegExp, into: string, report: Report): Promise<string[]> {
    const showSource = ['showsrc', '--only-source', name];
    const output = await this.#apt('apt-cache', showSource, `find the source of ${name}`, report);
    const available = [...output.matchAll(/^Version: (.+)$/gm)].map((match) => match[1] ?? '');
    const selected = available.find((each) => version.test(each));
    if (selected === undefined) {
      const message = `this machine's package sources have ${name} ${available.join(', ') || 'not'} as source`;
      const hint = `wanted is a version like ${version.source}: Debian 12 has it. Give binaries with --bin-dir instead`;
      throw new Failure('install', message, { hint });
    }
    await mkdir(into, { recursive: true });
    const args = ['-q', '--only-source', '--download-only', 'source', `${name}=${selected}`];
    await this.#apt('apt-get', args, `download the source of ${name}`, report, into);
    return (await readdir(into)).map((file) => join(into, file));
  }

  async #apt(
    tool: string,
    args: readonly string[],
    what: string,
    report: Report,
    cwd?: string,
  ): Promise<string> {
    await (this.#prepared ??= this.#prepare(report));
    const onLine = (line: string): void => {
      const item = /^Get:\d+ \S+ \S+ (?:\S+ )?(\S+) \S+ (\S+ \(\w+\)|\S+) \[(.+)\]$/.exec(line);
      if (item) report(`${item[1]} ${item[2]}, ${item[3]}`);
    };
    const options = { what, env: quiet, onLine, ...(cwd !== undefined && { cwd }) };
    return await this.#run(tool, ['-c', this.#config, ...args], options).catch((error: unknown) => {
      const earlier = this.#updateFailure;
      if (!(earlier instanceof Failure && error instanceof Failure)) throw error;
      throw new Failure('install', `${error.message}\nbefore that, ${earlier.message}`, {
        hint: error.hint ?? '',
        cause: error,
      });
    });
  }

  async #prepare(report: Report): Promise<void> {
    await configure(this.#dir, this.#config, this.#run);
    report('package lists');
    const options = { what: 'update the package lists', env: quiet };
    await this.#run('apt-get', ['-c', this.#config, '-q', 'update'], options).catch(
      (error: unknown) => (this.#updateFailure = error),
    );
  }
}

async function configure(dir: string, config: string, run: Run): Promise<void> {
  const parts = join(dir, 'sources.list.d');
  await rm(parts, { recursive: true, force: true });
  for (const folder of [parts, join(dir, 'lists/partial'), join(dir, 'cache/archives/partial')]) {
    await mkdir(folder, { recursive: true });
  }
  const paths = await run(
    'apt-config',
    'shell list Dir::Etc::SourceList/f parts Dir::Etc::SourceParts/d status Dir::State::status/f'.split(' '),
    { what: "read apt's configuration", env: quiet },
  );
  const [list = '', folder = '', status = ''] = ['list', 'parts', 'status'].map(
    (name) => new RegExp(`^${name}='(.*)'$`, 'm').exec(paths)?.[1],
  );
  const more = (await readdir(folder).catch(() => [])).filter((name) => /\.(?:list|sources)$/.test(name));
  for (const file of [list, ...more.map((name) => join(folder, name))]) {
    const text = await readFile(file, 'utf8').catch(() => '');
    const name = file === list ? 'main.list' : basename(file);
    await writeFile(join(parts, name), withSourcePackages(name, text));
  }
  await writeFile(join(dir, 'status'), minimalStatus(await readFile(status, 'utf8'), debianArch));
  await writeFile(config, aptConf(dir, parts));
}

/**
 * Adds source packages to a file of package sources. `name` is the file's: `*.sources` has the deb822 format, all others have
 * one line for each source (sources.list(5)).
 * @internal exported for tests
 */
export function withSourcePackages(name: string, text: string): string {
  return name.endsWith('.sources')
    ? text.replaceAll(/^Types:[^\n]*\bdeb\b[^\n]*$/gim, 'Types: deb deb-src')
    : text.replaceAll(/^[ \t]*deb([ \t][^\n]*)$/gm, '$&\ndeb-src$1');
}

/**
 * Reduces dpkg's status file to what every Debian has: the essential and required packages and their dependencies.
 * With it, apt sees a minimal machine, whatever else is installed, broken or on hold on the real one. So it selects the same
 * packages everywhere, and they can be cached.
 *
 * @param architecture dpkg's name of the native one.
 * @internal exported for tests
 */
export function minimalStatus(status: string, architecture: string): string {
  const packages = new Map<string, string>();
  for (const stanza of status.split(/\n\n+/)) {
    const name = field(stanza, 'Package');
    const isNative = [architecture, 'all'].includes(field(stanza, 'Architecture'));
    if (isNative && field(stanza, 'Status').endsWith(' installed')) packages.set(name, stanza.trim());
  }
  const kept = new Set<string>();
  const keep = (name: string): void => {
    const stanza = packages.get(name);
    if (stanza === undefined || kept.has(name)) return;
    kept.add(name);
    const depends = `${field(stanza, 'Depends')},${field(stanza, 'Pre-Depends')}`;
    for (const word of depends.split(/[,|]/)) keep(word.trim().replace(/[ :(].*$/, ''));
  };
  for (const [name, stanza] of packages) {
    if (field(stanza, 'Essential') === 'yes' || field(stanza, 'Priority') === 'required') keep(name);
  }
  return `${[...kept].map((name) => packages.get(name)).join('\n\n')}\n`;
}

function field(stanza: string, name: string): string {
  return new RegExp(`^${name}: (.*)$`, 'm').exec(stanza)?.[1] ?? '';
}

/** Read after the machine's own configuration: keeps its proxies, keys and pins, and clears its hooks. */
function aptConf(dir: string, parts: string): string {
  return `#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Architectures;
APT::Architectures { "${debianArch}"; };
APT::Sandbox::User "root";
APT::Install-Recommends "false";
APT::Install-Suggests "false";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "${parts}";
Dir::State "${dir}";
Dir::State::status "${join(dir, 'status')}";
Dir::State::Lists "${join(dir, 'lists')}";
Dir::Cache "${join(dir, 'cache')}";
Dir::Cache::archives "${join(dir, 'cache/archives')}";
`;
}
