import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Failure } from '../../lib/errors.ts';
import { withSourcePackages } from './aptSources.ts';
import { minimalStatus } from './dpkgStatus.ts';
import { debianArch } from '../find/cache.ts';
import type { Run } from '../run.ts';
import type { Report } from '../stages.ts';

/** Debian's archive, as this machine's own sources name it. Nothing is installed and nothing of the system changes. */
export interface Apt {
  /** Downloads the packages, with all they depend on beyond a minimal Debian, and unpacks them below `root`. */
  readonly unpack: (packages: readonly string[], root: string, report: Report) => Promise<void>;
  /** Downloads a source package in the first version that is accepted; resolves with its files. */
  readonly source: (name: string, accept: RegExp, into: string, report: Report) => Promise<string[]>;
}

const quiet = { LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };

/**
 * An apt with state of its own below `dir`; what was downloaded but not unpacked yet stays there for the next time.
 * The package lists are brought up to date once, before the first download.
 */
export function privateApt(dir: string, run: Run): Apt {
  const config = join(dir, 'apt.conf');
  let ready: Promise<void> | undefined;
  let stale: unknown;
  const open = async (report: Report) => {
    await configure(dir, config, run);
    report('package lists');
    // One broken source among many need not matter: only when a package cannot be had is it told.
    await run('apt-get', ['-c', config, '-q', 'update'], {
      what: 'update the package lists',
      env: quiet,
    }).catch((error: unknown) => (stale = error));
  };
  const apt = async (tool: string, args: readonly string[], what: string, report: Report, cwd?: string) => {
    await (ready ??= open(report));
    const onLine = (line: string) => {
      const item = /^Get:\d+ \S+ \S+ (?:\S+ )?(\S+) \S+ (\S+ \(\w+\)|\S+) \[(.+)\]$/.exec(line);
      if (item) report(`${item[1]} ${item[2]}, ${item[3]}`);
    };
    return await run(tool, ['-c', config, ...args], { what, env: quiet, onLine, ...(cwd && { cwd }) }).catch(
      (error: unknown) => {
        if (!(stale instanceof Failure && error instanceof Failure)) throw error;
        const { hint = '' } = error;
        throw new Failure('install', `${error.message}\nbefore that, ${stale.message}`, {
          hint,
          cause: error,
        });
      },
    );
  };

  return {
    async unpack(packages, root, report) {
      const archives = join(dir, 'archives', basename(root));
      await mkdir(join(archives, 'partial'), { recursive: true });
      await mkdir(root, { recursive: true });
      const what = `download ${packages.join(', ')}`;
      const install = ['-q', '-y', 'install', ...packages];
      // Asked with an empty archive: what is there already would not be listed.
      const list = await apt('apt-get', ['-qq', '--print-uris', ...install], what, report);
      const files = [...list.matchAll(/^'[^']+' (\S+\.deb) \d+/gm)].map((match) => match[1] ?? '');
      await apt(
        'apt-get',
        ['-o', `Dir::Cache::archives=${archives}`, '--download-only', ...install],
        what,
        report,
      );
      for (const [i, file] of files.entries()) {
        report(`unpack ${file.split('_')[0]} (${i + 1} of ${files.length})`);
        await run('dpkg-deb', ['--extract', join(archives, file), root], { what: `unpack ${file}` });
      }
      await rm(archives, { recursive: true });
    },

    async source(name, accept, into, report) {
      const known = await apt(
        'apt-cache',
        ['showsrc', '--only-source', name],
        `find the source of ${name}`,
        report,
      );
      const versions = [...known.matchAll(/^Version: (.+)$/gm)].map((match) => match[1] ?? '');
      const version = versions.find((each) => accept.test(each));
      if (version === undefined) {
        throw new Failure(
          'install',
          `this machine's package sources have ${name} ${versions.join(', ') || 'not'} as source`,
          {
            hint: `wanted is a version like ${accept.source}: Debian 12 has it. Give binaries with --bin-dir instead`,
          },
        );
      }
      await mkdir(into, { recursive: true });
      const args = ['-q', '--only-source', '--download-only', 'source', `${name}=${version}`];
      await apt('apt-get', args, `download the source of ${name}`, report, into);
      return (await readdir(into)).map((file) => join(into, file));
    },
  };
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

/** Read after the machine's own configuration: its proxies, keys and pins hold, its hooks do not. */
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
