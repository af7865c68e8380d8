import { cp, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { Failure } from '../../../src/lib/errors.ts';
import { privateApt, type Apt } from '../../../src/install/debian/apt.ts';
import { debianTree } from '../../../src/install/find/cache.ts';
import { addPackages, backEnds } from '../../../src/install/debian/debian.ts';
import { programOf } from '../../../src/install/find/elf.ts';
import { chooseIptables, hasBackEnds, iptablesNeeds } from '../../../src/install/debian/iptables.ts';
import { nodeBinaries } from '../../../src/install/find/needs.ts';
import { runner, type Run } from '../../../src/install/run.ts';
import { tempDir } from '../../support/cli.ts';

// Real packages, small ones, from the archive that this machine knows.
const conntrack = nodeBinaries.filter(({ name }) => name === 'conntrack');
const catatonit = nodeBinaries.filter(({ name }) => name === 'catatonit');
const nothing = () => undefined;

/** One for all tests: the package lists are downloaded once, some 20 MB. */
let aptDir: string;
let log: string;
let run: Run;
let apt: Apt;
let dir: string;

vi.setConfig({ testTimeout: 120_000 });

beforeAll(async () => {
  aptDir = await mkdtemp('/var/tmp/k8s-single-apt-');
  log = join(aptDir, 'log');
  run = runner({ logFile: log, signal: new AbortController().signal });
  apt = privateApt(join(aptDir, 'apt'), run);
});

afterAll(async () => rm(aptDir, { recursive: true }));

beforeEach(async () => {
  dir = await tempDir('debian');
});

/** What apt and dpkg change when they install something. */
const system = async () =>
  Promise.all(
    ['/var/lib/dpkg/status', '/var/lib/apt/lists', '/var/cache/apt/archives', '/etc/apt/sources.list.d'].map(
      async (path) => (await stat(path)).mtimeMs,
    ),
  );

test('programs are unpacked with their libraries, run from there, and the system stays as it was', async () => {
  const before = await system();
  const told: string[] = [];
  await addPackages(apt, debianTree(join(dir, 'cache')), conntrack, (detail) => told.push(detail));
  expect(told).toContainEqual(expect.stringMatching(/^conntrack \S+, [\d.]+ [kM]?B$/));
  expect(told.at(-1)).toMatch(/^unpack \S+ \((\d+) of \1\)$/);
  // A second time into the same tree, as when something else is missing later.
  await addPackages(apt, debianTree(join(dir, 'cache')), catatonit, nothing);
  expect(await system()).toEqual(before);

  // The whole cache may be moved.
  await rename(join(dir, 'cache'), join(dir, 'moved'));
  const { bin } = debianTree(join(dir, 'moved'));
  const { stdout, stderr } = await execa(join(bin, 'conntrack'), ['--version'], {
    env: { LD_DEBUG: 'libs' },
  });
  expect(stdout).toMatch(/^conntrack v\d/);
  expect(stderr).toMatch(new RegExp(`calling init: ${bin}/\\.\\./root/\\S+/libnetfilter_conntrack\\.so`));
  expect(programOf(join(bin, 'catatonit'))).toMatchObject({ kind: 'elf', static: true });
});

test('iptables works with a back end of this kernel, in a network namespace of its own', async () => {
  const tree = debianTree(join(dir, 'cache'));
  expect(await hasBackEnds(tree)).toBe(false);
  await addPackages(apt, tree, iptablesNeeds, nothing);
  expect(await hasBackEnds(tree)).toBe(true);
  await chooseIptables(tree, run, nothing);

  // What kube-proxy needs: nat, comments, marks, statistics.
  const rule = '-m comment --comment why -m statistic --mode random --probability 0.5 -j MASQUERADE';
  const script = `"$0/iptables" -t nat -A POSTROUTING ${rule} && "$0/iptables-save" -t nat && "$0/ip6tables" --version`;
  const { stdout } = await execa('unshare', ['--net', 'sh', '-c', script, tree.kernelBin]);
  expect(stdout).toMatch(/^-A POSTROUTING .*--comment why .*--probability 0\.5\d* -j MASQUERADE$/m);
  expect(stdout).toMatch(/^ip6tables v\d/m);
});

test('where nf_tables does not work, iptables is the legacy one', async () => {
  const tree = debianTree(join(dir, 'cache'));
  const tried: string[] = [];
  const fails: Run = async (_file, args) => {
    tried.push(args.join(' '));
    if (tried.length === 1) throw new Failure('install', 'could not fetch rule set generation id');
    return '';
  };
  const told: string[] = [];
  await chooseIptables(tree, fails, (detail) => told.push(detail));
  expect(tried).toEqual(backEnds.map((each) => `--net ${tree.bin}/iptables.${each} -t nat -L -n`));
  expect(told).toEqual(['iptables-nft: could not fetch rule set generation id']);
  expect((await execa('readlink', [join(tree.kernelBin, 'iptables-save')])).stdout).toBe(
    '../bin/iptables-save.legacy',
  );
});

test('a package that does not exist is a failure with the words of apt', async () => {
  const failed = apt.unpack(['no-such-package-at-all'], join(dir, 'root'), nothing);
  await expect(failed).rejects.toMatchObject({
    code: 'install',
    message: expect.stringMatching(
      /^could not download no-such.*: exit 100\n[^]*Unable to locate package no-such/,
    ),
    hint: expect.stringContaining(log),
  });
  expect(await readFile(log, 'utf8')).toContain('Unable to locate package');
});

test('a source package is offered in its version, or it is said which ones there are', async () => {
  const files = await apt.source('catatonit', /^0\./, join(dir, 'source'), nothing);
  expect(files.some((file) => /catatonit_.*\.orig\.tar\./.test(file))).toBe(true);
  await expect(apt.source('catatonit', /^99\./, join(dir, 'source'), nothing)).rejects.toMatchObject({
    code: 'install',
    message: expect.stringMatching(/have catatonit 0\.\S+ as source/),
  });
});

/** Makes apt read these sources, beside the machine's own when `also`. */
async function withSources(line: string, also: boolean): Promise<void> {
  const parts = join(dir, 'sources.list.d');
  await mkdir(parts);
  if (also) await cp('/etc/apt/sources.list.d', parts, { recursive: true });
  await writeFile(join(parts, 'broken.list'), `${line}\n`);
  const list = also ? '' : 'Dir::Etc::SourceList "/dev/null"; ';
  await writeFile(join(dir, 'apt.conf'), `${list}Dir::Etc::SourceParts "${parts}";`);
  vi.stubEnv('APT_CONFIG', join(dir, 'apt.conf'));
  onTestFinished(() => void vi.unstubAllEnvs());
}

const broken = 'deb [trusted=yes] file:/no/such/archive ./';

test('one broken source among good ones does not matter', async () => {
  await withSources(broken, true);
  const again = privateApt(join(aptDir, 'apt'), run);
  await again.unpack(['catatonit'], join(dir, 'root'), nothing);
  expect(programOf(join(dir, 'root/usr/bin/catatonit'))).toMatchObject({ kind: 'elf' });
});

test('when no source works, that is what is said', async () => {
  await withSources(broken, false);
  const failed = privateApt(join(dir, 'apt'), run).unpack(['catatonit'], join(dir, 'root'), nothing);
  await expect(failed).rejects.toMatchObject({
    code: 'install',
    message: expect.stringMatching(
      /^could not download catatonit: exit 100\n[^]*before that, could not update the package lists: [^]*no\/such\/archive/,
    ),
  });
});
