import type { Event } from '../../engine/component.ts';
import { LiveState } from '../state/state.ts';
import { describeEvent } from '../terminal/words.ts';
import { html } from './html.ts';
import type { Html } from './html.ts';
import { time } from './time.ts';

/** So many of the last events are listed. */
const listed = 100;
/** And so many are looked at: not all are worth a line. */
const lookedAt = 500;

/** What happened, the newest first. */
export function eventList(names: readonly string[], events: readonly Event[]): Html {
  const state = new LiveState(names, events[0]?.at ?? 0);
  const items: Html[] = [];
  for (const event of events.slice(-lookedAt)) {
    const said = describeEvent(event, state.add(event));
    if (said === undefined) continue;
    const { level, text } = said;
    items.push(
      html`<li class="${level}">${time(event.at)} <span class="name">${event.component}</span> ${text}</li>`,
    );
  }
  return html`<ol class="events">
    ${items.slice(-listed).toReversed()}
  </ol>`;
}
