import { readdir, readFile } from 'node:fs/promises';

export interface Process {
  readonly pid: number;
  readonly parent: number;
  /** The pid and the start time in clock ticks since boot: unique, also when pids are reused. */
  readonly id: string;
  readonly state: string;
  readonly command: string;
  /** Its cgroups, one per line. */
  readonly cgroups: string;
  /** Whether it has the environment of a test. */
  readonly isOfTest: boolean;
}

/** All processes of this machine, by pid. */
export async function processTable(): Promise<Map<number, Process>> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const all = await Promise.all(pids.map((pid) => processOf(pid).catch(() => undefined)));
  return new Map(all.filter((found) => found !== undefined).map((found) => [found.pid, found]));
}

/** The children of a process, their children, and so on, breadth first. */
export async function descendants(pid: number): Promise<Process[]> {
  const table = [...(await processTable()).values()];
  const found: Process[] = [];
  let parents = [pid];
  while (parents.length > 0) {
    const children = table.filter((each) => parents.includes(each.parent));
    found.push(...children);
    parents = children.map((each) => each.pid);
  }
  return found;
}

/** Sends the signal unless the process has ended, even if another one has its pid now. */
export async function signalIfThere({ pid, id }: Process, signal: NodeJS.Signals): Promise<void> {
  try {
    if ((await processOf(pid)).id === id) process.kill(pid, signal);
  } catch {
    // It has just ended.
  }
}

/** @throws Error with the code ENOENT or ESRCH when no process has the pid */
export async function processOf(pid: number): Promise<Process> {
  const [stat, command, cgroups, environment] = await Promise.all(
    ['stat', 'cmdline', 'cgroup', 'environ'].map((file) => readFile(`/proc/${pid}/${file}`, 'utf8')),
  );
  // The name is in parentheses and may contain any character; the fields follow the last one (proc(5)).
  const name = /\((.*)\)/s.exec(stat ?? '')?.[1] ?? '';
  const fields = (stat ?? '').slice((stat ?? '').lastIndexOf(')') + 2).split(' ');
  return {
    pid,
    parent: Number(fields[1]),
    id: `${pid} ${fields[19]}`,
    state: fields[0] ?? '',
    command: (command ?? '').replaceAll('\0', ' ').trim() || `[${name}]`,
    cgroups: cgroups ?? '',
    isOfTest: /(?:^|\0)VITEST/.test(environment ?? ''),
  };
}
