import { once } from 'node:events';
import { mkdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { expect, onTestFinished, test, vi } from 'vitest';
import { configWithoutFile } from '../../src/config/loadConfig.ts';
import type { EventBody } from '../../src/engine/component.ts';
import { failedAtEnd, followBoot } from '../../src/launcher/followBoot.ts';
import { nodePaths } from '../../src/lib/paths.ts';
import { recordBoot } from '../../src/observe/records/bootRecord.ts';
import { replay } from '../../src/observe/state/state.ts';
import { bootSpecOf } from '../../src/supervisor/bootSpec.ts';
import type { UpOptions } from '../../src/supervisor/options.ts';
import { tempDir } from '../support/cli.ts';

const stages = [
  { name: 'bad', needs: [] },
  { name: 'after', needs: ['bad'] },
  { name: 'other', needs: [] },
];
const ready = { type: 'ready', ms: 1 } as const;
const kept = { type: 'failed', reason: 'exited with code 7', othersKept: true } as const;
const failed = { type: 'failed', reason: 'exited with code 7' } as const;

test.each<[string, [string, EventBody][], string[] | undefined]>([
  ['while another component is not ready', [['bad', kept]], undefined],
  [
    'when all others are ready or blocked',
    [
      ['bad', kept],
      ['other', ready],
    ],
    ['bad'],
  ],
  [
    'when the failure stops the others',
    [
      ['bad', failed],
      ['other', ready],
    ],
    undefined,
  ],
  ['without a failure', [['other', ready]], undefined],
])('a boot with a failed component is complete or not: %s', (_what, bodies, expected) => {
  const events = bodies.map(([component, body]) => ({ component, at: 1, ...body }));
  const names = stages.map(({ name }) => name);
  expect(failedAtEnd(stages, replay(names, events))).toEqual(expected);
});

/** A control socket that breaks off its first answers as the test says, and its boot as the launcher follows it. */
async function boot(answers: readonly ('before' | 'amid' | 'whole')[]) {
  const name = 'follow-test';
  const dataDir = await tempDir('follow');
  const { run, controlSocket } = nodePaths(name, dataDir);
  mkdirSync(run, { recursive: true });
  const config = await configWithoutFile({ name, dataDir });
  await recordBoot(dataDir, [{ kind: 'task', name: 'a', needs: [], run: async () => undefined }], { config });
  const sent = (body: EventBody): string => `data: ${JSON.stringify({ component: 'a', at: 1, ...body })}\n\n`;
  let requests = 0;
  const server: Server = createServer((_request, response) => {
    const answer = answers[requests++] ?? 'before';
    if (answer === 'before') return void response.destroy();
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(sent({ type: 'starting', attempt: 1 }), () => {
      if (answer === 'amid') response.destroy();
      else response.end(sent({ type: 'ready', ms: 1 }));
    });
  });
  server.listen(controlSocket);
  await once(server, 'listening');
  onTestFinished(async () => {
    server.close();
    server.closeAllConnections();
    rmSync(run, { recursive: true, force: true });
  });
  let exit: (code: number) => void = () => undefined;
  const exitCode = new Promise<number>((resolve) => (exit = resolve));
  const output = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  onTestFinished(() => output.mockRestore());
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the only option that is read
  const options = { output: 'json' } as UpOptions;
  const followed = followBoot(
    { exitCode, stop: () => undefined, detach: async () => undefined },
    bootSpecOf(options, config),
  );
  const lines = (): string => output.mock.calls.map(([chunk]) => String(chunk)).join('');
  return {
    followed,
    exit: (code: number) => exit(code),
    lines,
    asked: async (count: number) => vi.waitUntil(() => requests >= count),
  };
}

test.each(['before', 'amid'] as const)(
  'a node that breaks off its answer %s any event or amid them is followed until its exit is seen',
  async (how) => {
    const { followed, exit, asked } = await boot([how]);
    await asked(1);
    exit(3);
    expect(await followed).toBeUndefined();
  },
);

test('a node that breaks off its answer and lives on is followed further, with each event once', async () => {
  const { followed, lines } = await boot(['before', 'amid', 'whole']);
  expect(await followed).toEqual([]);
  expect(lines().match(/"type":"\w+"/g)).toEqual(['"type":"starting"', '"type":"ready"']);
});
