import { describe, expect, it } from 'vitest';
import type { Event } from '../../../src/engine/component.ts';
import { Failure } from '../../../src/lib/errors.ts';
import { replay } from '../../../src/observe/state/state.ts';
import { statusOf } from '../../../src/observe/state/status.ts';
import type { NodeStatus } from '../../../src/observe/state/status.ts';
import { waitReady } from '../../../src/observe/state/wait.ts';
import { drawEachSecond } from '../../../src/observe/terminal/drawEachSecond.ts';
import { statusTable } from '../../../src/observe/terminal/statusTable.ts';
import { begin, crashLoop, goodBoot, stages } from '../boots.ts';
import { FakeTerminal } from '../fakeTerminal.ts';

const names = stages.map(({ name }) => name);
const at = (events: readonly Event[]): NodeStatus =>
  statusOf('default', replay(names, events), new Map(), begin + 2000);
const absent = new Failure('notReady', 'node "default" is not running');
const never = new AbortController().signal;

/** Returns the results one after the other, the last one for ever. */
function statuses(...results: readonly (NodeStatus | Error)[]): () => Promise<NodeStatus> {
  let next = 0;
  return async () => {
    const result = results[Math.min(next, results.length - 1)]!;
    next += 1;
    if (result instanceof Error) throw result;
    return result;
  };
}

describe('waiting for the node', () => {
  it('ends when all is ready, and reports each reason once', async () => {
    const reasons: string[] = [];
    const getStatus = statuses(
      absent,
      absent,
      at(goodBoot.slice(0, 11)),
      at(goodBoot.slice(0, 11)),
      at(goodBoot),
    );
    await waitReady(
      getStatus,
      { name: 'x', timeoutMs: 10_000, onAttemptFailed: (reason) => reasons.push(reason) },
      never,
    );
    expect(reasons).toEqual([
      'node "default" is not running',
      'apiserver is starting (connection refused), kubelet is starting',
    ]);
  });

  it('does not wait for a component that was given up', async () => {
    await expect(
      waitReady(statuses(at(crashLoop)), { name: 'x', timeoutMs: Infinity }, never),
    ).rejects.toMatchObject({
      code: 'notReady',
      message: 'the node failed: apiserver is failed (exited with code 1: bad flag: --x)',
    });
  });

  it('does not wait for a node that went away', async () => {
    await expect(waitReady(statuses(at([]), absent), { name: 'x', timeoutMs: Infinity }, never)).rejects.toBe(
      absent,
    );
  });

  it('reports at the deadline what is missing', async () => {
    await expect(
      waitReady(statuses(at(goodBoot.slice(0, 11))), { name: 'x', timeoutMs: 50 }, never),
    ).rejects.toMatchObject({
      code: 'notReady',
      message: 'not ready after 0.1 s: apiserver is starting (connection refused), kubelet is starting',
    });
  });
});

describe('watching the node', () => {
  it('draws its status in place until the signal aborts', async () => {
    const end = new AbortController();
    const terminal = new FakeTerminal(60);
    const getStatus = statuses(at(goodBoot.slice(0, 11)), absent);
    const getLines = async (columns: number): Promise<string[]> =>
      statusTable(await getStatus(), columns, (_colour, text) => text);
    const watched = drawEachSecond(getLines, terminal, end.signal);
    await expect.poll(() => terminal.screen).toContain('etcd       ready');
    terminal.emit('resize');
    await expect.poll(() => terminal.screen).toBe('node "default" is not running');
    end.abort();
    await watched;
    expect(terminal.listenerCount('resize')).toBe(0);
  });
});
