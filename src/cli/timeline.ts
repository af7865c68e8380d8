import { client } from '../control/client.ts';
import { exitCodes, Failure } from '../errors.ts';
import { styleFor } from '../report/style.ts';
import { timelineSvg } from '../report/timeline-svg.ts';
import { timelineText } from '../report/timeline-text.ts';
import { timelineTrace } from '../report/timeline-trace.ts';
import { timelineOf } from '../report/timeline.ts';
import type { Timeline } from '../report/timeline.ts';
import { readBootRecord } from './bootRecord.ts';
import { ifRunning, placeOf } from './place.ts';
import type { Which } from './place.ts';

interface TimelineOptions extends Which {
  readonly output: 'text' | 'svg' | 'trace';
}

/** `k8s-single timeline`: the last boot of a node, be it up, down or failed. */
export async function timeline({ output, ...which }: TimelineOptions): Promise<number> {
  const { data, controlSocket } = await placeOf(which);
  const record = await readBootRecord(data);
  const events = (await ifRunning(async () => client(controlSocket).past())) ?? record.events;
  if (events.length === 0) {
    throw new Failure(
      'notReady',
      `node ${which.name} was killed before its boot ended: nothing is known of it`,
    );
  }
  process.stdout.write(`${drawn(timelineOf(record.stages, events), output).trimEnd()}\n`);
  return exitCodes.ok;
}

function drawn(found: Timeline, output: TimelineOptions['output']): string {
  switch (output) {
    case 'svg':
      return timelineSvg(found);
    case 'trace':
      return timelineTrace(found);
    case 'text': {
      const columns = process.stdout.isTTY ? process.stdout.columns : 100;
      return timelineText(found, columns, styleFor(process.stdout, process.env));
    }
  }
}
