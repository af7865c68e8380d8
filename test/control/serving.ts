import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serve } from '../../src/control/server.ts';
import { FakeNode } from './fake-node.ts';

/** A control socket in a folder of its own, served for a node that does nothing. */
export interface Serving {
  readonly node: FakeNode;
  readonly folder: string;
  readonly path: string;
  /** Closes the server; once. */
  close(): Promise<void>;
  /** Closes it and removes the folder. */
  [Symbol.asyncDispose](): Promise<void>;
}

export async function serving(): Promise<Serving> {
  const folder = await mkdtemp(join(tmpdir(), 'k8s-single-control-'));
  const path = join(folder, 'default', 'control.sock');
  const node = new FakeNode();
  const server = await serve(path, node);
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => (closed ??= server.close());
  return {
    node,
    folder,
    path,
    close,
    async [Symbol.asyncDispose]() {
      await close();
      await rm(folder, { recursive: true });
    },
  };
}
