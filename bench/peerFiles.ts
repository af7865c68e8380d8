import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Argv } from '../src/host/tool.ts';
import { commandLine, shellQuote } from '../src/lib/commandLine.ts';

/** Other ways than k8s-single to start a node. */
export const peerKinds = ['script', 'supervisord', 'runit'] as const;
export type PeerKind = (typeof peerKinds)[number];

/** Their Debian packages. */
export const peerPackages: readonly string[] = ['supervisor', 'runit'];

/** A program for a peer to start. */
export interface Program {
  readonly name: string;
  readonly argv: Argv;
}

/** Existing folders. */
interface Folders {
  /** For the configuration of the peer. */
  readonly dir: string;
  /** For the logs of the programs. */
  readonly logs: string;
}

/** The log in which supervisord records starts and exits. */
export const supervisordLog = (dir: string): string => join(dir, 'supervisord.log');

/** A file with one line for each start of a program under runit. */
export const runitStarts = (dir: string): string => join(dir, 'starts');

/** Writes the configuration of a peer and resolves with the command that starts it. On SIGTERM it stops all its programs. */
export async function writePeer(
  kind: PeerKind,
  programs: readonly Program[],
  folders: Folders,
): Promise<readonly [string, ...string[]]> {
  return { script, supervisord, runit }[kind](programs, folders);
}

/** The stages of the sleep script; it sleeps for five seconds after each. All other programs follow. */
const stages: readonly (readonly string[])[] = [['containerd', 'etcd'], ['apiserver']];

async function script(programs: readonly Program[], { dir, logs }: Folders): Promise<[string, string]> {
  const start = ({ name, argv }: Program): string =>
    `${commandLine(argv)} > ${shellQuote(join(logs, `${name}.log`))} 2>&1 &\npids="$pids $!"`;
  const staged = new Set(stages.flat());
  const file = join(dir, 'start.sh');
  await writeExecutable(file, [
    '#!/bin/sh',
    `trap 'kill $pids; wait $pids; exit' TERM`,
    ...stages.flatMap((names) =>
      programs
        .filter(({ name }) => names.includes(name))
        .map(start)
        .concat('sleep 5'),
    ),
    ...programs.filter(({ name }) => !staged.has(name)).map(start),
    'wait',
  ]);
  return ['sh', file];
}

async function supervisord(
  programs: readonly Program[],
  { dir, logs }: Folders,
): Promise<[string, ...string[]]> {
  const file = join(dir, 'supervisord.conf');
  const sections = programs.flatMap(({ name, argv }) => [
    `[program:${name}]`,
    // Escape per cent signs, which begin a reference.
    `command=${commandLine(argv).replaceAll('%', '%%')}`,
    'autorestart=true',
    'redirect_stderr=true',
    `stdout_logfile=${join(logs, `${name}.log`)}`,
  ]);
  const daemon = [
    '[supervisord]',
    'nodaemon=true',
    `logfile=${supervisordLog(dir)}`,
    `pidfile=${join(dir, 'supervisord.pid')}`,
    // Each program takes two descriptors; the default is 1024.
    `minfds=${Math.max(1024, 3 * programs.length)}`,
  ];
  await writeFile(file, [...daemon, ...sections, ''].join('\n'));
  return ['/usr/bin/python3', '/usr/bin/supervisord', '--configuration', file];
}

async function runit(programs: readonly Program[], { dir, logs }: Folders): Promise<[string, string]> {
  const services = join(dir, 'services');
  for (const { name, argv } of programs) {
    await mkdir(join(services, name), { recursive: true });
    await writeExecutable(join(services, name, 'run'), [
      '#!/bin/sh',
      `echo ${name} >> ${shellQuote(runitStarts(dir))}`,
      `exec ${commandLine(argv)} > ${shellQuote(join(logs, `${name}.log`))} 2>&1`,
    ]);
  }
  const file = join(dir, 'runit.sh');
  await writeExecutable(file, [
    '#!/bin/sh',
    // Stop the services as Debian's /etc/runit/3 does: runsvdir alone would not wait for them.
    `trap 'sv -w 196 force-stop ${shellQuote(services)}/*; sv exit ${shellQuote(services)}/*; kill $pid; exit' TERM`,
    `runsvdir ${shellQuote(services)} &`,
    'pid=$!',
    'wait',
  ]);
  return ['sh', file];
}

async function writeExecutable(file: string, lines: readonly string[]): Promise<void> {
  await writeFile(file, `${lines.join('\n')}\n`);
  await chmod(file, 0o755);
}
