import { expect, test } from 'vitest';
import { chart } from '../../bench/chart.ts';

const svg = chart(
  [
    { row: 'cold: pod <Ready>', competitor: 'ours', unit: 'ms', values: [5000] },
    { row: 'cold: pod <Ready>', competitor: 'bound', unit: 'ms', values: [4000] },
    { row: 'cold: pod <Ready>', competitor: 'theirs', unit: 'ms', values: [10_000] },
    { row: 'cold: pod <Ready>', competitor: 'dead', unit: 'ms', values: [Infinity] },
  ],
  { own: 'ours', computed: ['bound'] },
);
const bars = [...svg.matchAll(/<rect class="(\w+)" x="\d+" y="\d+" width="([\d.]+)"/g)].map((match) => ({
  kind: match[1],
  width: Number(match[2]),
}));

test('draws bars in proportion to the medians, with classes for our own and computed ones', () => {
  expect(bars.map(({ kind }) => kind)).toEqual(['own', 'ideal', 'other']);
  const [own, ideal, other] = bars.map(({ width }) => width);
  expect(own! / other!).toBeCloseTo(0.5, 2);
  expect(ideal! / other!).toBeCloseTo(0.4, 2);
});

test('labels an infinite median as never, without a bar', () => {
  expect(svg).toMatch(/>dead<.*\n<text[^>]*>never</);
});

test('escapes titles, and has colours for light and dark', () => {
  expect(svg).toContain('cold: pod &lt;Ready&gt;');
  expect(svg).toContain('prefers-color-scheme:dark');
});
