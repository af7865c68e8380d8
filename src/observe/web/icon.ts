import type { Phase } from '../state/state.ts';
import { Html, html } from './html.ts';

/** Each phase has its own shape, so that colour is not the only difference. In a square of 16 px. */
const shapes: Record<Phase, string> = {
  waiting: '<circle class="stroke dotted" cx="8" cy="8" r="6"/>',
  starting: '<circle class="stroke" cx="8" cy="8" r="6"/><path class="fill" d="M8 2a6 6 0 0 1 0 12z"/>',
  ready: '<circle class="fill" cx="8" cy="8" r="7"/><path class="mark" d="M4.6 8.4l2.3 2.3 4.5-4.8"/>',
  down: '<path class="fill" d="M8 1l7.5 13.5H.5z"/><path class="mark" d="M8 6v4m0 1.8v.4"/>',
  stopping:
    '<rect class="stroke" x="2.5" y="2.5" width="11" height="11"/><path class="fill" d="M2.5 8h11v5.5h-11z"/>',
  stopped: '<rect class="stroke" x="2.5" y="2.5" width="11" height="11"/>',
  failed:
    '<path class="fill" d="M5 .5h6L15.5 5v6L11 15.5H5L.5 11V5z"/><path class="mark" d="M5.4 5.4l5.2 5.2m0-5.2l-5.2 5.2"/>',
};

/** The shape as part of an SVG. */
export function shape(phase: Phase): Html {
  return html`<g class="icon is-${phase}">${new Html(shapes[phase])}</g>`;
}

/** The shape in a line of text, which must also name the phase. */
export function icon(phase: Phase): Html {
  return html`<svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
    ${shape(phase)}
  </svg>`;
}

/** The icon of the browser tab. */
export const favicon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7" fill="#326ce5"/><circle cx="8" cy="8" r="2.5" fill="#fff"/></svg>`;
