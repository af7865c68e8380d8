import { join } from 'node:path';
import type { Run } from '../run.ts';

/** A source tree in a GOPATH of its own, and how commands are run in it. */
export interface GoTree {
  /** The import path of the tree. */
  readonly project: string;
  readonly path: string;
  readonly gopath: string;
  readonly temp: string;
  /** Runs `go`, or another program, at the top of the tree, with nothing of our own environment. */
  readonly run: (
    file: string,
    args: readonly string[],
    what: string,
    onLine?: (line: string) => void,
  ) => Promise<string>;
}

/** The tree of `project` below `work`, for the Go at `goroot`. Go's module mode and the network are off. */
export function goTree(project: string, work: string, goroot: string, run: Run): GoTree {
  const gopath = join(work, 'gopath');
  const path = join(gopath, 'src', project);
  const temp = join(work, 'tmp');
  const env = {
    PATH: `${join(goroot, 'bin')}:/usr/bin:/bin`,
    HOME: work,
    LC_ALL: 'C',
    TMPDIR: temp,
    GOROOT: goroot,
    GOPATH: gopath,
    GOCACHE: join(work, 'gocache'),
    GOENV: 'off',
    GO111MODULE: 'off',
    GOPROXY: 'off',
    CGO_ENABLED: '0',
  };
  return {
    project,
    path,
    gopath,
    temp,
    run: (file, args, what, onLine) => {
      const program = file === 'go' ? join(goroot, 'bin/go') : file;
      return run(program, args, { what, env, alone: true, cwd: path, ...(onLine && { onLine }) });
    },
  };
}
