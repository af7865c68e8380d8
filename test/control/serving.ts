import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serve } from '../../src/control/server.ts';
import { FakeNode } from './fakeNode.ts';

/** The control socket of a {@link FakeNode}, in a folder of its own. */
export interface Serving {
  readonly node: FakeNode;
  readonly folder: string;
  readonly path: string;
  /** Closes the server. May be called again. */
  close(): Promise<void>;
  /** Closes the server and removes the folder. */
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
