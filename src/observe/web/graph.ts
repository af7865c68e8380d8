import { dependencyName, edgeOf } from '../../engine/component.ts';
import { describePhase } from '../state/describe.ts';
import type { ComponentState, Stage, State } from '../state/state.ts';
import { html } from './html.ts';
import type { Html } from './html.ts';
import { shape } from './icon.ts';
import { layOut } from './layout.ts';
import type { Layout, Measures } from './layout.ts';

interface Variant extends Measures {
  readonly name: 'wide' | 'narrow';
  /** The characters of a name that fit on a line. */
  readonly characters: number;
  readonly lines: number;
  /** A wider graph, in px, is scrolled instead of scaled to fit. */
  readonly maxWidth: number;
}

const wide: Variant = {
  name: 'wide',
  boxWidth: 176,
  boxHeight: 50,
  gapX: 14,
  gapY: 34,
  characters: 18,
  lines: 1,
  maxWidth: 1000,
};
/** Four boxes side by side fit on a phone. */
const narrow: Variant = {
  name: 'narrow',
  boxWidth: 84,
  boxHeight: 66,
  gapX: 4,
  gapY: 24,
  characters: 12,
  lines: 2,
  maxWidth: 420,
};
/** Room for the focus outline. */
const edge = 4;

/**
 * Lays the graph out once; the returned function draws it with the current state, in two widths of which the page shows the
 * one that fits. Each box links to the component's log.
 */
export function graphOf(stages: readonly Stage[]): (state: State) => Html {
  const layouts = [wide, narrow].map((variant) => ({ variant, layout: layOut(stages, variant) }));
  const dashed = stages.some(({ needs }) => needs.some((need) => edgeOf(need).whenLost !== 'keep'));
  const legend = dashed
    ? html`<p class="legend soft">Dashed: restarts or stops when its dependency is lost.</p>`
    : html``;
  return (state) =>
    html`${layouts.map(({ variant, layout }) => draw(stages, state, variant, layout))}${legend}`;
}

function draw(stages: readonly Stage[], state: State, variant: Variant, layout: Layout): Html {
  const [width, height] = [layout.width + 2 * edge, layout.height + 2 * edge];
  const size = width > variant.maxWidth ? 'scrolls' : 'fits';
  return html`<svg
    class="graph ${variant.name} ${size}"
    width="${width}"
    height="${height}"
    viewBox="${-edge} ${-edge} ${width} ${height}"
    role="group"
    aria-label="Components from top to bottom, each below its dependencies"
  >
    ${layout.edges.map((each) => line(each, state))}
    ${stages.map((stage) => box(stage, state.get(stage.name), layout, variant))}
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
  const open = state.get(from)?.phase === 'ready' ? ' open' : '';
  const loss = whenLost === 'keep' ? '' : `; ${whenLost}s when ${from} is lost`;
  return html`<path class="edge ${whenLost}${open}" d="${path}"
    ><title>${to} needs ${from}${loss}</title></path
  >`;
}

function at({ x, y }: { x: number; y: number }): string {
  return `${x.toFixed(1)},${y.toFixed(1)}`;
}

function box(stage: Stage, component: ComponentState | undefined, { boxes }: Layout, variant: Variant): Html {
  const place = boxes.get(stage.name);
  if (place === undefined || component === undefined) return html``;
  const { boxWidth, boxHeight, characters, lines } = variant;
  const phaseText = describePhase(component);
  const needs = stage.needs.map(dependencyName);
  const label = `${stage.name}: ${phaseText}${needs.length === 0 ? '' : `; needs ${needs.join(', ')}`}`;
  const texts = nameLines(stage.name, characters, lines);
  const isWide = variant.name === 'wide';
  const [x, y] = isWide ? [34, 21] : [boxWidth / 2, texts.length === 1 ? 41 : 35];
  const name = texts.map(
    (text, index) => html`<text class="name" x="${x}" y="${y + 12 * index}">${text}</text>`,
  );
  return html`<a
    id="${variant.name}-${stage.name}"
    href="#c-${stage.name}"
    aria-label="${label}"
    class="box is-${component.phase}"
    transform="translate(${at(place)})"
  >
    <title>${label}</title> <rect width="${boxWidth}" height="${boxHeight}" rx="8" />
    <g transform="translate(${isWide ? '10,17' : `${boxWidth / 2 - 8},6`})">${shape(component.phase)}</g>
    ${name}<text class="state" x="${x}" y="${isWide ? 38 : 59}"
      >${isWide ? phaseText : component.phase}</text
    ></a
  >`;
}

/**
 * A name on at most `lines` lines of `characters`, broken after a dash, dot or underscore; the rest is cut off.
 * @internal exported for tests
 */
export function nameLines(name: string, characters: number, lines: number): string[] {
  const parts = name.match(/[^-._]*[-._]|[^-._]+/g) ?? [name];
  const broken: string[] = [];
  for (const part of parts) {
    const last = broken.at(-1);
    if (last !== undefined && (last.length + part.length <= characters || broken.length === lines))
      broken[broken.length - 1] = last + part;
    else broken.push(part);
  }
  return broken.map((text) => (text.length <= characters ? text : `${text.slice(0, characters - 1)}…`));
}
