import { at } from '../../probes/transport/json.ts';
import type { Config } from '../config/config.ts';
import type { NodeFile } from '../instance/nodeFile.ts';
import { ephemeralPaths } from '../launcher/ephemeral.ts';
import { exitCodes } from '../lib/errors.ts';
import { connectToPool, within } from './connection.ts';
import { startGuard } from './guard.ts';
import { poolFingerprint } from './protocol.ts';
import type { NodeEnd, PoolRequest, TakeAnswer } from './protocol.ts';
import type { UpOptions } from '../supervisor/options.ts';

/** A node that this process has taken from the pool, and owns: it ends when this process is killed. */
export interface TakenNode {
  readonly file: NodeFile;
  /** Resolves when it has ended although nobody has removed it or let it go. Never rejects. */
  readonly ended: Promise<NodeEnd>;
  /** Gives it back to the keeper, which removes it; removes it here if the keeper is gone. */
  readonly remove: () => Promise<void>;
  /** Lets it live on without this process. */
  readonly keep: () => void;
}

/** Why there is none: no pool, none that is ready, only nodes of another config, or a keeper that ended or did not answer in time. */
export type NotTaken = 'noPool' | 'empty' | 'otherConfig' | 'lost';

/** How long a keeper may take to wake a node, in ms, and then to let it go: it gives up itself after 12 s (wakesWithinMs). */
const answersWithinMs = 15_000;

/** Takes a node of this config from the pool of this machine. It is ready, and nobody else has had it. */
export async function takeNode(
  config: Config,
  { source }: Pick<UpOptions, 'source'>,
): Promise<TakenNode | NotTaken> {
  const connection = await connectToPool();
  if (connection === undefined) return 'noPool';
  const request = (value: PoolRequest): void => connection.send(value);
  request({ type: 'take', fingerprint: poolFingerprint(config, source) });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same program has written it
  const answer = (await connection.receive(answersWithinMs)) as TakeAnswer | undefined;
  if (answer === undefined || 'reason' in answer) {
    connection[Symbol.dispose]();
    return answer?.reason ?? 'lost';
  }
  const { node: file } = answer;
  const { name } = file;
  // Before the keeper lets go.
  const guard = startGuard('down', '--name', name);
  const over = new AbortController();
  const letGo = (): void => {
    over.abort();
    guard.dismiss();
    connection[Symbol.dispose]();
  };
  request({ type: 'taken' });
  if ((await connection.receive(answersWithinMs)) === undefined) {
    await removeWithoutKeeper(name);
    letGo();
    return 'lost';
  }
  // The end of the node, or the answer to what is asked for.
  const told = connection.receive();
  return {
    file,
    ended: endOf(name, told, over.signal),
    remove: async () => {
      over.abort();
      request({ type: 'remove' });
      const first = await within(answersWithinMs, told);
      const done = isNodeEnd(first) ? await connection.receive(answersWithinMs) : first;
      if (done === undefined) await removeWithoutKeeper(name);
      letGo();
    },
    keep: () => {
      request({ type: 'kept' });
      letGo();
    },
  };
}

/** Resolves as {@link TakenNode.ended} does. */
async function endOf(name: string, told: Promise<unknown>, signal: AbortSignal): Promise<NodeEnd> {
  const end = await told;
  // The keeper was killed: then the node itself says that it ends, by the end of its events.
  if (end === undefined && !signal.aborted) {
    const { client } = await import('../control/client.ts');
    try {
      for await (const _event of client(ephemeralPaths(name).controlSocket).events(signal));
    } catch {}
  }
  // Nobody asks any more.
  if (signal.aborted) return new Promise(() => undefined);
  return isNodeEnd(end) ? end : { type: 'ended', code: exitCodes.notReady, output: '' };
}

function isNodeEnd(answer: unknown): answer is NodeEnd {
  return at(answer, 'type') === 'ended';
}

/** Removes a node whose keeper does not answer. */
async function removeWithoutKeeper(name: string): Promise<void> {
  const { forceCleanUp } = await import('../instance/cleanUp.ts');
  await forceCleanUp({ name, ...ephemeralPaths(name) });
}
