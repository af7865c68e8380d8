import type { Component, Event } from '../../engine/component.ts';
import { describeSummary } from '../state/describe.ts';
import { summarize } from '../state/state.ts';
import type { State } from '../state/state.ts';
import { timelineOf } from '../diagrams/timeline.ts';
import { componentList } from './components.ts';
import { eventList } from './eventList.ts';
import { html, time } from './html.ts';
import type { Html } from './html.ts';
import { icon } from './icon.ts';
import { timelineSection } from './timeline.ts';

/** The content of the page. `now` in ms since the epoch. */
export interface PageContent {
  readonly name: string;
  readonly components: readonly Component[];
  readonly graph: (state: State) => Html;
  readonly state: State;
  readonly events: readonly Event[];
  readonly now: number;
}

/**
 * The whole page as of now, complete without the script. On each event the script fetches it again and replaces the elements
 * with `data-live` that have changed.
 */
export function pageDocument({ name, components, graph, state, events, now }: PageContent): string {
  const summary = summarize(state);
  const text = describeSummary(summary);
  const names = components.map((component) => component.name);
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${name}: ${text}</title>
        <link rel="stylesheet" href="/style.css" />
        <link rel="icon" href="/icon.svg" type="image/svg+xml" />
        <script type="module" src="/live.js"></script>
      </head>
      <body>
        <header>
          <h1><span class="soft">k8s-single</span> ${name}</h1>
          <p class="summary" role="status" data-live="summary">${icon(summary.phase)} ${text}</p>
          <p class="connection soft" role="status" id="connection">as of ${time(now)}</p>
        </header>
        <main>
          <section aria-labelledby="h-graph">
            <h2 id="h-graph">Graph</h2>
            <div class="scroll" data-live="graph">${graph(state)}</div>
          </section>
          <section aria-labelledby="h-events">
            <h2 id="h-events">Events</h2>
            <div class="scroll tall" role="region" aria-labelledby="h-events" tabindex="0" data-live="events">
              ${eventList(names, events)}
            </div>
          </section>
          <section class="whole" aria-labelledby="h-timeline">
            <h2 id="h-timeline">Boot timeline</h2>
            <div data-live="timeline">${timelineSection(timelineOf(components, events))}</div>
          </section>
          <section class="whole" aria-labelledby="h-logs">
            <h2 id="h-logs">Components and logs</h2>
            ${componentList(components, state)}
          </section>
        </main>
      </body>
    </html> `.text;
}
