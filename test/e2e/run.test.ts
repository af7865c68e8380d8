import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { busyboxArchive, testBinaries } from '../support/busybox.ts';
import { cli, main } from '../support/cli.ts';
import { snapshotHost } from '../support/leftovers.ts';
import type { Snapshot } from '../support/leftovers.ts';
import { nothingLeft } from '../support/nothingLeft.ts';

let folder = '';
let before: Snapshot;

beforeAll(async () => {
  folder = await mkdtemp('/var/tmp/k8s-single-run-');
  before = await snapshotHost();
});

afterAll(async () => rm(folder, { recursive: true, force: true }));

interface Done {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command against a fresh node. */
async function run(options: readonly string[], ...command: readonly string[]): Promise<Done> {
  const { exitCode, stdout, stderr } = await cli(['run', ...options, '--', ...command], { cwd: folder });
  return { exitCode, stdout: String(stdout), stderr: String(stderr) };
}

describe('two at once', () => {
  const fails =
    'cd "$(dirname "$KUBECONFIG")/.."; basename "$(dirname "$PWD")"; ls -A etcd; kubectl get nodes; exit 3';
  let failed: Done;
  let passed: Done;

  beforeAll(async () => {
    const [boot, app] = ['boot', 'app'].map((name) => join(folder, name));
    await Promise.all([mkdir(boot!), mkdir(app!)]);
    await busyboxArchive(boot!, 'example.com/boot:1');
    await writeFile(join(folder, 'images.yaml'), 'images: [boot/image.tar]\n');
    const { ctr } = await testBinaries();
    const archive = await busyboxArchive(app!, 'app:1');
    const images = join(import.meta.dirname, '../fixtures/run/images.sh');
    [failed, passed] = await Promise.all([
      run(['--artifacts', 'kept'], 'sh', '-c', fails),
      run(['--name', 'e2e-run', '--config', 'images.yaml'], images, process.execPath, main, ctr, archive),
    ]);
  });

  it('pass the exit code of their commands through', () => {
    expect([failed.exitCode, passed.exitCode], `${failed.stderr}\n${passed.stderr}`).toEqual([3, 0]);
  });

  it('have a node with a name of its own each, kubectl in PATH, and etcd in memory', () => {
    expect(failed.stdout).toMatch(/^run-[0-9a-f]{6}\nNAME .*\nk8s-single +Ready/);
  });

  it('say how long it took', () => {
    expect(passed.stderr).toMatch(
      /node e2e-run: ready after [\d.]+ s, the command took [\d.]+ s \(exit code 0\), gone after [\d.]+ s: [\d.]+ s in all$/,
    );
  });

  it('keep the logs of the one that failed, and of no other', async () => {
    const [name = ''] = failed.stdout.split('\n');
    expect(await readdir(join(folder, 'kept'))).toEqual([name]);
    expect(await readFile(join(folder, 'kept', name, 'log/etcd.log'), 'utf8')).toContain('etcd');
    expect(failed.stderr).toContain(`the logs are kept in ${join(folder, 'kept', name)}`);
  });

  it('know images at their start, and load them from an archive, a pipe and a folder', () => {
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

  it('leave nothing', async () => {
    const [name = ''] = failed.stdout.split('\n');
    await nothingLeft(before, [name, 'e2e-run']);
  });
});

describe('a run that is ended', () => {
  /** Starts one whose command says that it runs, and then waits for ever. */
  function start(name: string) {
    const args = ['run', '--name', name, '--', 'sh', '-c', 'echo runs; exec cat'];
    // Its own stdin, which lasts as long as this process.
    return execa(process.execPath, [main, ...args], {
      reject: false,
      stdin: 'pipe',
      forceKillAfterDelay: false,
    });
  }

  async function untilSaid(stream: Readable, text: string): Promise<void> {
    let said = '';
    return new Promise((resolve, reject) => {
      stream.on('data', (chunk) => (said += String(chunk)).includes(text) && resolve());
      stream.once('end', () => reject(new Error(`never said ${text}: ${said}`)));
    });
  }

  it('by SIGTERM while it boots, by SIGINT while the command runs: tells so, and leaves nothing', async () => {
    const [booting, running] = [start('e2e-run-term'), start('e2e-run-int')];
    const end = async (): Promise<void> => {
      await untilSaid(booting.stderr, 'apiserver');
      booting.kill('SIGTERM');
    };
    const interrupt = async (): Promise<void> => {
      await untilSaid(running.stdout, 'runs');
      running.kill('SIGINT');
    };
    await Promise.all([end(), interrupt()]);
    const [{ exitCode: terminated, stdout }, { exitCode: interrupted }] = await Promise.all([
      booting,
      running,
    ]);
    expect([terminated, stdout, interrupted]).toEqual([143, '', 130]);
    await nothingLeft(before, ['e2e-run-term', 'e2e-run-int']);
  });

  it('by a down before the node is ready: is no success, as an up --detach is none', async () => {
    const name = 'e2e-run-down';
    const starts = [
      () => start(name),
      () => cli(['up', '--detach', '--name', name, '--data-dir', join(folder, name)]),
    ];
    for (const begin of starts) {
      const booting = begin();
      await untilSaid(booting.stderr!, 'starting');
      const { stderr } = await cli(['down', '--name', name]);
      expect(String(stderr)).toBe(`node ${name} is down`);
      const { exitCode, stderr: said } = await booting;
      expect(String(said)).toContain(`node ${name} was taken down before it was ready`);
      expect(exitCode).toBe(4);
    }
    await nothingLeft(before, [name]);
  });

  it('by SIGKILL while the command runs: the node goes all the same', async () => {
    const running = start('e2e-run-kill');
    await untilSaid(running.stdout, 'runs');
    running.kill('SIGKILL');
    // The command is an orphan now, with nothing to work with.
    running.stdin.end();
    await running;
    await nothingLeft(before, ['e2e-run-kill'], 60_000);
  });
});
