import type { Event } from '../../engine/component.ts';
import { describeEvent } from '../state/describe.ts';
import { LiveState } from '../state/state.ts';
import { html, time } from './html.ts';
import type { Html } from './html.ts';

/** The number of events listed. */
const maxItems = 100;
/** The number of events considered: not all are worth a line. */
const maxEvents = 500;

/** The last events, newest first. */
export function eventList(names: readonly string[], events: readonly Event[]): Html {
  const state = new LiveState(names, events[0]?.at ?? 0);
  const items: Html[] = [];
  for (const event of events.slice(-maxEvents)) {
    const description = describeEvent(event, state.add(event));
    if (description === undefined) continue;
    const { level, text } = description;
    items.push(
      html`<li class="${level}">${time(event.at)} <span class="name">${event.component}</span> ${text}</li>`,
    );
  }
  return html`<ol class="events">
    ${items.slice(-maxItems).toReversed()}
  </ol>`;
}
