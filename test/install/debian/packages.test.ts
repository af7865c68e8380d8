import { cp, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { Failure } from '../../../src/lib/errors.ts';
import { PrivateApt } from '../../../src/install/debian/apt.ts';
import { debianTree } from '../../../src/install/find/cacheLayout.ts';
import { addPackages, iptablesBackEnds } from '../../../src/install/debian/packages.ts';
import { programOf } from '../../../src/install/find/elf.ts';
import {
  chooseIptables,
  hasIptablesBackEnds,
  iptablesBinaries,
} from '../../../src/install/debian/iptables.ts';
import { nodeBinaries } from '../../../src/install/find/binaries.ts';
import { runner, type Run } from '../../../src/install/run.ts';
import { tempDir } from '../../support/cli.ts';

// Small real packages, from the archive that this machine is configured to use.
const conntrack = nodeBinaries.filter(({ name }) => name === 'conntrack');
const catatonit = nodeBinaries.filter(({ name }) => name === 'catatonit');
const ignore = () => undefined;

/** Shared by all tests: the package lists, some 20 MB, are downloaded once. */
let aptDir: string;
let log: string;
let run: Run;
let apt: PrivateApt;
let dir: string;

vi.setConfig({ testTimeout: 120_000 });

beforeAll(async () => {
  aptDir = await mkdtemp('/var/tmp/k8s-single-apt-');
  log = join(aptDir, 'log');
  run = runner({ logFile: log, signal: new AbortController().signal });
  apt = new PrivateApt(join(aptDir, 'apt'), run);
});

afterAll(async () => rm(aptDir, { recursive: true }));

beforeEach(async () => {
  dir = await tempDir('debian');
});

/** The modification times of what apt and dpkg change when they install something. */
const system = async () =>
  Promise.all(
    ['/var/lib/dpkg/status', '/var/lib/apt/lists', '/var/cache/apt/archives', '/etc/apt/sources.list.d'].map(
      async (path) => (await stat(path)).mtimeMs,
    ),
  );

test('programs are unpacked with their libraries and run from there; the system does not change', async () => {
  const before = await system();
  const reports: string[] = [];
  await addPackages(apt, debianTree(join(dir, 'cache')), conntrack, (detail) => reports.push(detail));
  expect(reports).toContainEqual(expect.stringMatching(/^conntrack \S+, [\d.]+ [kM]?B$/));
  expect(reports.at(-1)).toMatch(/^unpack \S+ \((\d+) of \1\)$/);
  // A second time into the same tree, for another missing binary.
  await addPackages(apt, debianTree(join(dir, 'cache')), catatonit, ignore);
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

test('iptables works with a back end of this kernel, in a new network namespace', async () => {
  const tree = debianTree(join(dir, 'cache'));
  expect(await hasIptablesBackEnds(tree)).toBe(false);
  await addPackages(apt, tree, iptablesBinaries, ignore);
  expect(await hasIptablesBackEnds(tree)).toBe(true);
  await chooseIptables(tree, run, ignore);

  // What kube-proxy needs: nat, comments, marks, statistics.
  const rule = '-m comment --comment why -m statistic --mode random --probability 0.5 -j MASQUERADE';
  const script = `"$0/iptables" -t nat -A POSTROUTING ${rule} && "$0/iptables-save" -t nat && "$0/ip6tables" --version`;
  const { stdout } = await execa('unshare', ['--net', 'sh', '-c', script, tree.kernelBin]);
  expect(stdout).toMatch(/^-A POSTROUTING .*--comment why .*--probability 0\.5\d* -j MASQUERADE$/m);
  expect(stdout).toMatch(/^ip6tables v\d/m);
});

test('without nf_tables, iptables is the legacy one', async () => {
  const tree = debianTree(join(dir, 'cache'));
  const tried: string[] = [];
  const fails: Run = async (_file, args) => {
    tried.push(args.join(' '));
    if (tried.length === 1) throw new Failure('install', 'could not fetch rule set generation id');
    return '';
  };
  const reports: string[] = [];
  await chooseIptables(tree, fails, (detail) => reports.push(detail));
  expect(tried).toEqual(iptablesBackEnds.map((each) => `--net ${tree.bin}/iptables.${each} -t nat -L -n`));
  expect(reports).toEqual(['iptables-nft: could not fetch rule set generation id']);
  expect((await execa('readlink', [join(tree.kernelBin, 'iptables-save')])).stdout).toBe(
    '../bin/iptables-save.legacy',
  );
});

test("a package that does not exist is a failure with apt's message", async () => {
  const failed = apt.unpack(['no-such-package-at-all'], join(dir, 'root'), ignore);
  await expect(failed).rejects.toMatchObject({
    code: 'install',
    message: expect.stringMatching(
      /^could not download no-such.*: exit 100\n[^]*Unable to locate package no-such/,
    ),
    hint: expect.stringContaining(log),
  });
  expect(await readFile(log, 'utf8')).toContain('Unable to locate package');
});

test('a source package is downloaded in the version asked for, or the failure names the available ones', async () => {
  const files = await apt.source('catatonit', /^0\./, join(dir, 'source'), ignore);
  expect(files.some((file) => /catatonit_.*\.orig\.tar\./.test(file))).toBe(true);
  await expect(apt.source('catatonit', /^99\./, join(dir, 'source'), ignore)).rejects.toMatchObject({
    code: 'install',
    message: expect.stringMatching(/have catatonit 0\.\S+ as source/),
  });
});

/** Makes apt read this source, in addition to the machine's own with `also`. */
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
  const again = new PrivateApt(join(aptDir, 'apt'), run);
  await again.unpack(['catatonit'], join(dir, 'root'), ignore);
  expect(programOf(join(dir, 'root/usr/bin/catatonit'))).toMatchObject({ kind: 'elf' });
});

test('when no source works, the failure says so', async () => {
  await withSources(broken, false);
  const failed = new PrivateApt(join(dir, 'apt'), run).unpack(['catatonit'], join(dir, 'root'), ignore);
  await expect(failed).rejects.toMatchObject({
    code: 'install',
    message: expect.stringMatching(
      /^could not download catatonit: exit 100\n[^]*before that, could not update the package lists: [^]*no\/such\/archive/,
    ),
  });
});
