import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import type { Event } from '../../../src/engine/component.ts';
import { shellCommand } from '../../../src/lib/commandLine.ts';
import { failureReport, failureText } from '../../../src/observe/state/failure.ts';
import { at, begin, crashLoop, goodBoot, stages } from '../boots.ts';

const commands = new Map([['apiserver', { file: '/usr/bin/apiserver', args: ['--x=a b', "--y='"] }]]);
const report = (events: readonly Event[], lines: readonly string[] = []) =>
  failureReport({ stages, events, commands, lastLines: () => lines });
const plain = (_colour: string, text: string): string => text;

describe('the failure report', () => {
  it('names the component that was given up, not those of the teardown', () => {
    expect(report(crashLoop)).toEqual({
      version: 1,
      at: new Date(begin + 1610).toISOString(),
      stages: [
        {
          component: 'apiserver',
          state: 'failed',
          forMs: 0,
          restarts: 1,
          reason: 'exited with code 1: bad flag: --x',
          lastProbe: 'connect ECONNREFUSED 127.0.0.1:6443',
          exit: 'exited with code 1',
          lastLines: ['starting up', 'bad flag: --x'],
          command: `/usr/bin/apiserver '--x=a b' '--y='\\'''`,
          waiting: ['node'],
        },
      ],
    });
  });

  it('has a form for people', () => {
    expect(failureText(report(crashLoop)!, plain)).toBe(
      [
        '✗ apiserver was given up',
        '  reason    exited with code 1: bad flag: --x',
        '  probe     connect ECONNREFUSED 127.0.0.1:6443',
        '  restarts  1',
        '  waiting   node',
        '',
        '  last log lines',
        '    starting up',
        '    bad flag: --x',
        '',
        '  command to run by hand',
        `    /usr/bin/apiserver '--x=a b' '--y='\\'''`,
      ].join('\n'),
    );
  });

  it('names the component that hangs at the deadline, with the end of its log', () => {
    const teardown = [
      at(9000, 'apiserver', { type: 'stopping' as const }),
      at(9100, 'apiserver', { type: 'stopped' as const }),
      at(9100, 'kubelet', { type: 'probing' as const, reason: 'gone' }),
      at(9200, 'kubelet', { type: 'stopped' as const }),
    ];
    const lines = Array.from({ length: 30 }, (_, i) => `line ${i}`);
    const found = report([...goodBoot.slice(0, 12), ...teardown], lines);
    expect(found?.stages).toMatchObject([
      {
        component: 'apiserver',
        state: 'starting',
        forMs: 8190,
        reason: 'connection refused',
        exit: null,
        waiting: ['node'],
      },
    ]);
    expect(found?.stages[0]?.lastLines).toEqual(lines.slice(-20));
    expect(failureText(found!, plain)).toContain(
      '✗ apiserver has been starting for 8.2 s\n  reason    connection refused\n  waiting   node',
    );
  });

  it('names every stage that blocks, and leaves out unknown facts', () => {
    const found = report(goodBoot.slice(0, 8));
    expect(found?.stages.map(({ component, waiting }) => [component, waiting])).toEqual([
      ['etcd', ['apiserver', 'node']],
      ['kubelet', ['node']],
    ]);
    expect(failureText(found!, plain)).toBe(
      '✗ etcd has been starting for 0.0 s\n  waiting   apiserver, node\n\n✗ kubelet has been starting for 0.0 s\n  waiting   node',
    );
  });

  it('is undefined when nothing blocks', () => {
    expect(report(goodBoot)).toBeUndefined();
    expect(report([])).toBeUndefined();
  });
});

describe('the command to paste', () => {
  it.each([[['plain', '--a=b']], [["it's", '$HOME', '`x`', '"', '\\', '*', '', 'a\nb', '#x', '~']]])(
    'survives a shell: %j',
    (args) => {
      const command = {
        file: process.execPath,
        args: ['-p', 'JSON.stringify(process.argv.slice(1))', '--', ...args],
      };
      const { stdout } = spawnSync('sh', ['-c', shellCommand(command)], { encoding: 'utf8' });
      expect(JSON.parse(stdout)).toEqual(args);
    },
  );

  it('keeps the working directory and the environment', () => {
    const command = { file: 'sh', args: ['-c', 'echo "$PWD:$A"'], env: { A: "b'c d" }, cwd: '/tmp' };
    expect(spawnSync('sh', ['-c', shellCommand(command)], { encoding: 'utf8' }).stdout).toBe("/tmp:b'c d\n");
  });

  it('keeps the umask, and an environment that is whole', () => {
    const command = { file: '/usr/bin/env', args: ['sh', '-c', 'umask; env'], env: { A: '1' }, umask: 0o022 };
    const whole = shellCommand({ ...command, inheritEnv: false });
    expect(whole).toMatch(/^umask 022 && env -i A=1 \/usr\/bin\/env /);
    const { stdout } = spawnSync('sh', ['-c', whole], { encoding: 'utf8' });
    expect(stdout).toMatch(/^0022\n/);
    expect(stdout).not.toContain('PATH=');
  });
});
