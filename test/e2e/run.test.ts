import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { busyboxArchive } from '../support/busybox.ts';
import { cli, main } from '../support/cli.ts';
import { testBinaries } from '../support/installBinaries.ts';
import { expectNothingLeft, snapshotHost } from '../support/leftovers.ts';
import type { Snapshot } from '../support/leftovers.ts';

let folder = '';
let before: Snapshot;

beforeAll(async () => {
  folder = await mkdtemp('/var/tmp/k8s-single-run-');
  before = await snapshotHost();
});

afterAll(async () => rm(folder, { recursive: true, force: true }));

interface RunResult {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command with `k8s-single run`, against a new node. */
async function run(options: readonly string[], ...command: readonly string[]): Promise<RunResult> {
  const { exitCode, stdout, stderr } = await cli(['run', ...options, '--', ...command], { cwd: folder });
  return { exitCode, stdout: String(stdout), stderr: String(stderr) };
}

describe('two concurrent runs', () => {
  const failingScript =
    'cd "$(dirname "$KUBECONFIG")/.."; basename "$(dirname "$PWD")"; ls -A etcd; kubectl get nodes; exit 3';
  let failed: RunResult;
  let passed: RunResult;

  beforeAll(async () => {
    const [boot, app] = ['boot', 'app'].map((name) => join(folder, name));
    await Promise.all([mkdir(boot!), mkdir(app!)]);
    await busyboxArchive(boot!, 'example.com/boot:1');
    await writeFile(join(folder, 'images.yaml'), 'images: [boot/image.tar]\n');
    const { ctr } = await testBinaries('ctr');
    const archive = await busyboxArchive(app!, 'app:1');
    const images = join(import.meta.dirname, '../fixtures/run/images.sh');
    [failed, passed] = await Promise.all([
      run(['--artifacts', 'kept'], 'sh', '-c', failingScript),
      run(['--name', 'e2e-run', '--config', 'images.yaml'], images, process.execPath, main, ctr, archive),
    ]);
  });

  it('exit with the exit codes of their commands', () => {
    expect([failed.exitCode, passed.exitCode], `${failed.stderr}\n${passed.stderr}`).toEqual([3, 0]);
  });

  it('each have a node with a name of its own, kubectl in PATH, and etcd in memory', () => {
    expect(failed.stdout).toMatch(/^run-[0-9a-f]{6}\nNAME .*\nk8s-single +Ready/);
  });

  it('report how long they took', () => {
    expect(passed.stderr).toMatch(
      /node e2e-run: ready after [\d.]+ s, the command took [\d.]+ s \(exit code 0\), gone after [\d.]+ s: [\d.]+ s in all$/,
    );
    // That they end the node by SIGKILL is nobody's news.
    expect(passed.stderr).not.toContain('SIGKILL');
  });

  it('keep the logs of the failed run only', async () => {
    const [name = ''] = failed.stdout.split('\n');
    expect(await readdir(join(folder, 'kept'))).toEqual([name]);
    expect(await readFile(join(folder, 'kept', name, 'log/etcd.log'), 'utf8')).toContain('etcd');
    expect(failed.stderr).toContain(`the logs are kept in ${join(folder, 'kept', name)}`);
  });

  it('have the images of the config, and load others from an archive, a pipe and a folder', () => {
    expect(passed.stdout.split('\n')).toEqual([
      'docker.io/library/app:1',
      'docker.io/library/app:1',
      'localhost/layout:1',
      'docker.io/library/app:1',
      'example.com/boot:1',
      'localhost/layout:1',
      'app:1 runs',
      'example.com/boot:1 runs',
      'localhost/layout:1 runs',
    ]);
    expect(passed.stderr).toMatch(/images\.sh cannot be imported: .+\n {2}it takes archives of docker save/);
  });

  it('leave nothing behind', async () => {
    const [name = ''] = failed.stdout.split('\n');
    await expectNothingLeft(before, [name, 'e2e-run']);
  });
});

describe('a run that is interrupted', () => {
  /** Starts a run whose command prints `runs` and then waits until its stdin ends. */
  function start(name: string) {
    const args = ['run', '--name', name, '--', 'sh', '-c', 'echo runs; exec cat'];
    // A stdin that stays open as long as this process runs.
    return execa(process.execPath, [main, ...args], {
      reject: false,
      stdin: 'pipe',
      forceKillAfterDelay: false,
    });
  }

  /** Waits until the stream contains the text. */
  async function untilOutput(stream: Readable, text: string): Promise<void> {
    let output = '';
    return new Promise((resolve, reject) => {
      stream.on('data', (chunk) => (output += String(chunk)).includes(text) && resolve());
      stream.once('end', () => reject(new Error(`no "${text}" in the output: ${output}`)));
    });
  }

  it('by SIGTERM during the boot or by SIGINT while the command runs: exits with 128 + signal and leaves nothing', async () => {
    const [booting, running] = [start('e2e-run-term'), start('e2e-run-int')];
    const terminate = async (): Promise<void> => {
      await untilOutput(booting.stderr, 'apiserver');
      booting.kill('SIGTERM');
    };
    const interrupt = async (): Promise<void> => {
      await untilOutput(running.stdout, 'runs');
      running.kill('SIGINT');
    };
    await Promise.all([terminate(), interrupt()]);
    const [{ exitCode: terminated, stdout }, { exitCode: interrupted }] = await Promise.all([
      booting,
      running,
    ]);
    expect([terminated, stdout, interrupted]).toEqual([143, '', 130]);
    await expectNothingLeft(before, ['e2e-run-term', 'e2e-run-int']);
  });

  it('by down before the node is ready: fails, as up --detach does', async () => {
    const name = 'e2e-run-down';
    const variants = [
      () => start(name),
      () => cli(['up', '--detach', '--name', name, '--data-dir', join(folder, name)]),
    ];
    for (const startVariant of variants) {
      const booting = startVariant();
      await untilOutput(booting.stderr!, 'starting');
      const { stderr } = await cli(['down', '--name', name]);
      expect(String(stderr)).toBe(`node ${name} is down`);
      const result = await booting;
      expect(String(result.stderr)).toContain(`node ${name} was taken down before it was ready`);
      // The events, which are for programs.
      expect(String(result.stderr)).not.toContain('{"component"');
      expect(result.exitCode).toBe(4);
    }
    await expectNothingLeft(before, [name]);
  });

  it('by SIGKILL while the command runs: its node is removed, too', async () => {
    const running = start('e2e-run-kill');
    await untilOutput(running.stdout, 'runs');
    running.kill('SIGKILL');
    // End the command, which is an orphan now.
    running.stdin.end();
    await running;
    await expectNothingLeft(before, ['e2e-run-kill'], 60_000);
  });
});
