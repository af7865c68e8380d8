import { client } from '../control/client.ts';
import { exitCodes, Failure } from '../lib/errors.ts';
import { styleFor } from '../observe/terminal/style.ts';
import { timelineSvg } from '../observe/diagrams/timelineSvg.ts';
import { timelineText } from '../observe/diagrams/timelineText.ts';
import { timelineTrace } from '../observe/diagrams/timelineTrace.ts';
import { timelineOf } from '../observe/diagrams/timeline.ts';
import type { Timeline } from '../observe/diagrams/timeline.ts';
import { readBootRecord } from '../observe/records/bootRecord.ts';
import { ifRunning, locateNode } from '../instance/locateNode.ts';
import type { NodeSelector } from '../instance/locateNode.ts';

interface TimelineOptions extends NodeSelector {
  readonly output: 'text' | 'svg' | 'trace';
}

/** `k8s-single timeline`: the last boot of a node that is up, down or failed. */
export async function timeline({ output, ...node }: TimelineOptions): Promise<number> {
  const { data, controlSocket } = await locateNode(node);
  const record = await readBootRecord(data);
  const events = (await ifRunning(async () => client(controlSocket).history())) ?? record.events;
  if (events.length === 0) {
    throw new Failure(
      'notReady',
      `node ${node.name} was killed before its boot ended: no events were recorded`,
    );
  }
  process.stdout.write(`${render(timelineOf(record.stages, events), output).trimEnd()}\n`);
  return exitCodes.ok;
}

function render(boot: Timeline, output: TimelineOptions['output']): string {
  switch (output) {
    case 'svg':
      return timelineSvg(boot);
    case 'trace':
      return timelineTrace(boot);
    case 'text': {
      const columns = process.stdout.isTTY ? process.stdout.columns : 100;
      return timelineText(boot, columns, styleFor(process.stdout, process.env));
    }
  }
}
