import type { Config } from '../config/config.ts';
import { client } from '../control/client.ts';
import { forceCleanUp } from '../instance/cleanUp.ts';
import { readNodeFile } from '../instance/nodeFile.ts';
import type { NodeFile } from '../instance/nodeFile.ts';
import { ephemeralPaths } from '../launcher/ephemeral.ts';
import { connectToPool } from './connection.ts';
import { startGuard } from './guard.ts';
import { poolFingerprint } from './protocol.ts';
import type { PoolRequest, TakeAnswer } from './protocol.ts';

/** A node that this process has taken from the pool, and owns: it ends when this process is killed. */
export interface TakenNode {
  readonly file: NodeFile;
  /** Resolves when it has ended although nobody has removed it or let it go. Never rejects. */
  readonly ended: Promise<void>;
  /** Gives it back to the keeper, which removes it; removes it here if the keeper is gone. */
  readonly remove: () => Promise<void>;
  /** Lets it live on without this process. */
  readonly keep: () => void;
}

/** Why there is none: no pool, none that is ready, or only nodes of another config. */
export type NotTaken = 'noPool' | 'empty' | 'otherConfig';

/** How long a keeper may take to wake a node, in ms, and then to let it go. */
const answersWithinMs = 60_000;

/** Takes a node of this config from the pool of this machine. It is ready, and nobody else has had it. */
export async function takeNode(config: Config): Promise<TakenNode | NotTaken> {
  const connection = await connectToPool();
  if (connection === undefined) return 'noPool';
  const request = (value: PoolRequest): void => connection.send(value);
  request({ type: 'take', fingerprint: poolFingerprint(config) });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same program has written it
  const answer = (await connection.receive(answersWithinMs)) as TakeAnswer | undefined;
  if (answer === undefined || 'reason' in answer) {
    connection[Symbol.dispose]();
    return answer?.reason ?? 'noPool';
  }
  const { name } = answer;
  // Before the keeper lets go.
  const guard = startGuard('down', '--name', name);
  request({ type: 'taken' });
  const { run, data, controlSocket } = ephemeralPaths(name);
  const isOurs = (await connection.receive(answersWithinMs)) !== undefined;
  const file = isOurs ? await readNodeFile(name).catch(() => undefined) : undefined;
  if (file === undefined) {
    // The keeper was killed, or the node has just ended.
    await forceCleanUp({ name, run, data });
    guard.dismiss();
    connection[Symbol.dispose]();
    return 'noPool';
  }
  const over = new AbortController();
  const letGo = (): void => {
    over.abort();
    guard.dismiss();
    connection[Symbol.dispose]();
  };
  return {
    file,
    ended: endOf(controlSocket, over.signal),
    remove: async () => {
      request({ type: 'remove' });
      if ((await connection.receive(answersWithinMs)) === undefined) await forceCleanUp({ name, run, data });
      letGo();
    },
    keep: () => {
      request({ type: 'kept' });
      letGo();
    },
  };
}

/** The stream of events ends with the supervisor. */
async function endOf(controlSocket: string, signal: AbortSignal): Promise<void> {
  try {
    for await (const _event of client(controlSocket).events(signal));
  } catch {}
  // Nobody asks any more.
  if (signal.aborted) await new Promise(() => undefined);
}
