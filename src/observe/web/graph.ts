import { edgeOf } from '../../engine/component.ts';
import type { ComponentState, State } from '../state/state.ts';
import type { Stage } from '../state/stage.ts';
import { needNames } from '../state/stage.ts';
import { html } from './html.ts';
import type { Html } from './html.ts';
import { shape } from './icon.ts';
import { layOut } from './layout.ts';
import type { Layout, Measures } from './layout.ts';
import { nameLines } from './nameLines.ts';
import { stateText } from './stateText.ts';

interface Look extends Measures {
  readonly name: 'wide' | 'narrow';
  /** Of a name in one line, in characters. */
  readonly characters: number;
  readonly lines: number;
  /** A picture that is wider than this, in px, is not made to fit: one scrolls it. */
  readonly fits: number;
}

const wide: Look = {
  name: 'wide',
  boxWidth: 176,
  boxHeight: 50,
  gapX: 14,
  gapY: 34,
  characters: 18,
  lines: 1,
  fits: 1000,
};
/** Four boxes side by side fit on a phone. */
const narrow: Look = {
  name: 'narrow',
  boxWidth: 84,
  boxHeight: 66,
  gapX: 4,
  gapY: 24,
  characters: 12,
  lines: 2,
  fits: 420,
};
/** Room for the outline of what has the focus. */
const edge = 4;

/**
 * The graph, laid out once, to be drawn with the states of the moment: twice, and the page shows the one that fits. Each
 * box leads to the component's log.
 */
export function graphOf(stages: readonly Stage[]): (state: State) => Html {
  const layouts = [wide, narrow].map((look) => ({ look, layout: layOut(stages, look) }));
  const dashed = stages.some(({ needs }) => needs.some((need) => edgeOf(need).whenLost !== 'keep'));
  const legend = dashed
    ? html`<p class="legend soft">Dashed: goes down when what it needs is lost.</p>`
    : html``;
  return (state) => html`${layouts.map(({ look, layout }) => draw(stages, state, look, layout))}${legend}`;
}

function draw(stages: readonly Stage[], state: State, look: Look, layout: Layout): Html {
  const [width, height] = [layout.width + 2 * edge, layout.height + 2 * edge];
  const size = width > look.fits ? 'scrolls' : 'fits';
  return html`<svg
    class="graph ${look.name} ${size}"
    width="${width}"
    height="${height}"
    viewBox="${-edge} ${-edge} ${width} ${height}"
    role="group"
    aria-label="What needs what, from top to bottom"
  >
    ${layout.edges.map((each) => line(each, state))}
    ${stages.map((stage) => box(stage, state.get(stage.name), layout, look))}
  </svg>`;
}

function line({ from, to, whenLost, points }: Layout['edges'][number], state: State): Html {
  const [start, ...rest] = points;
  if (start === undefined) return html``;
  let [path, before] = [`M${at(start)}`, start];
  for (const point of rest) {
    const middle = (before.y + point.y) / 2;
    path += `C${at({ x: before.x, y: middle })} ${at({ x: point.x, y: middle })} ${at(point)}`;
    before = point;
  }
  const open = state.get(from)?.is === 'ready' ? ' open' : '';
  const loss = whenLost === 'keep' ? '' : `: when ${from} is lost, it will ${whenLost}`;
  return html`<path class="edge ${whenLost}${open}" d="${path}"
    ><title>${to} needs ${from}${loss}</title></path
  >`;
}

function at({ x, y }: { x: number; y: number }): string {
  return `${x.toFixed(1)},${y.toFixed(1)}`;
}

function box(stage: Stage, component: ComponentState | undefined, { boxes }: Layout, look: Look): Html {
  const place = boxes.get(stage.name);
  if (place === undefined || component === undefined) return html``;
  const { boxWidth, boxHeight, characters, lines } = look;
  const state = stateText(component);
  const needs = needNames(stage);
  const label = `${stage.name}: ${state.text}${needs.length === 0 ? '' : `; needs ${needs.join(', ')}`}`;
  const texts = nameLines(stage.name, characters, lines);
  const isWide = look.name === 'wide';
  const [x, y] = isWide ? [34, 21] : [boxWidth / 2, texts.length === 1 ? 41 : 35];
  const name = texts.map(
    (text, index) => html`<text class="name" x="${x}" y="${y + 12 * index}">${text}</text>`,
  );
  return html`<a
    id="${look.name}-${stage.name}"
    href="#c-${stage.name}"
    aria-label="${label}"
    class="box is-${component.is}"
    transform="translate(${at(place)})"
  >
    <title>${label}</title> <rect width="${boxWidth}" height="${boxHeight}" rx="8" />
    <g transform="translate(${isWide ? '10,17' : `${boxWidth / 2 - 8},6`})">${shape(component.is)}</g>
    ${name}<text class="state" x="${x}" y="${isWide ? 38 : 59}"
      >${isWide ? state.text : component.is}</text
    ></a
  >`;
}
