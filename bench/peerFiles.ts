import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Argv } from '../src/host/tool.ts';

/** What starts a node and is no k8s-single. */
export const peerKinds = ['script', 'supervisord', 'runit'] as const;
export type PeerKind = (typeof peerKinds)[number];

/** Debian's packages of them. */
export const peerPackages: readonly string[] = ['supervisor', 'runit'];

/** One of the programs that a peer is to start, in the seeds' order. */
export interface Program {
  readonly name: string;
  readonly argv: Argv;
}

interface Places {
  /** Exists; takes what the peer is configured by. */
  readonly dir: string;
  /** Exists; takes the programs' logs. */
  readonly logs: string;
}

/** Where supervisord says what it starts and what ended. */
export const supervisordLog = (dir: string): string => join(dir, 'supervisord.log');

/** Where each start of a program under runit adds a line. */
export const runitStarts = (dir: string): string => join(dir, 'starts');

/** Writes what the peer is configured by; the command that starts it. SIGTERM ends it with all that it has started. */
export async function writePeer(
  kind: PeerKind,
  programs: readonly Program[],
  places: Places,
): Promise<readonly [string, ...string[]]> {
  return { script, supervisord, runit }[kind](programs, places);
}

/** The stages of the seeds' script; five seconds pass before the next begins. */
const stages: readonly (readonly string[])[] = [['containerd', 'etcd'], ['apiserver']];

async function script(programs: readonly Program[], { dir, logs }: Places): Promise<[string, string]> {
  const start = ({ name, argv }: Program): string =>
    `${argv.map(quote).join(' ')} > ${quote(join(logs, `${name}.log`))} 2>&1 &\npids="$pids $!"`;
  const named = new Set(stages.flat());
  const file = join(dir, 'start.sh');
  await executable(file, [
    '#!/bin/sh',
    `trap 'kill $pids; wait $pids; exit' TERM`,
    ...stages.flatMap((names) =>
      programs
        .filter(({ name }) => names.includes(name))
        .map(start)
        .concat('sleep 5'),
    ),
    ...programs.filter(({ name }) => !named.has(name)).map(start),
    'wait',
  ]);
  return ['sh', file];
}

async function supervisord(
  programs: readonly Program[],
  { dir, logs }: Places,
): Promise<[string, ...string[]]> {
  const file = join(dir, 'supervisord.conf');
  const sections = programs.flatMap(({ name, argv }) => [
    `[program:${name}]`,
    // A per cent sign begins a reference.
    `command=${argv.map(quote).join(' ').replaceAll('%', '%%')}`,
    'autorestart=true',
    'redirect_stderr=true',
    `stdout_logfile=${join(logs, `${name}.log`)}`,
  ]);
  const own = [
    '[supervisord]',
    'nodaemon=true',
    `logfile=${supervisordLog(dir)}`,
    `pidfile=${join(dir, 'supervisord.pid')}`,
    // Two descriptors for each; the default is 1024.
    `minfds=${Math.max(1024, 3 * programs.length)}`,
  ];
  await writeFile(file, [...own, ...sections, ''].join('\n'));
  return ['/usr/bin/python3', '/usr/bin/supervisord', '--configuration', file];
}

async function runit(programs: readonly Program[], { dir, logs }: Places): Promise<[string, string]> {
  const services = join(dir, 'services');
  for (const { name, argv } of programs) {
    await mkdir(join(services, name), { recursive: true });
    await executable(join(services, name, 'run'), [
      '#!/bin/sh',
      `echo ${name} >> ${quote(runitStarts(dir))}`,
      `exec ${argv.map(quote).join(' ')} > ${quote(join(logs, `${name}.log`))} 2>&1`,
    ]);
  }
  const file = join(dir, 'runit.sh');
  await executable(file, [
    '#!/bin/sh',
    // As Debian's /etc/runit/3 takes a machine down: runsvdir alone would not wait.
    `trap 'sv -w 196 force-stop ${quote(services)}/*; sv exit ${quote(services)}/*; kill $pid; exit' TERM`,
    `runsvdir ${quote(services)} &`,
    'pid=$!',
    'wait',
  ]);
  return ['sh', file];
}

async function executable(file: string, lines: readonly string[]): Promise<void> {
  await writeFile(file, `${lines.join('\n')}\n`);
  await chmod(file, 0o755);
}

function quote(word: string): string {
  return /^[\w/.:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
