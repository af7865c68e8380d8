import { expect, test } from 'vitest';
import { chart } from '../../bench/chart.ts';

const picture = chart(
  [
    { row: 'cold: pod <Ready>', contestant: 'ours', unit: 'ms', values: [5000] },
    { row: 'cold: pod <Ready>', contestant: 'bound', unit: 'ms', values: [4000] },
    { row: 'cold: pod <Ready>', contestant: 'theirs', unit: 'ms', values: [10_000] },
    { row: 'cold: pod <Ready>', contestant: 'dead', unit: 'ms', values: [Infinity] },
  ],
  { own: 'ours', computed: ['bound'] },
);
const bars = [...picture.matchAll(/<rect class="(\w+)" x="\d+" y="\d+" width="([\d.]+)"/g)].map((match) => ({
  kind: match[1],
  width: Number(match[2]),
}));

test('the bars are as long as the medians, and ours and what was computed stand out', () => {
  expect(bars.map(({ kind }) => kind)).toEqual(['own', 'ideal', 'other']);
  const [own, ideal, other] = bars.map(({ width }) => width);
  expect(own! / other!).toBeCloseTo(0.5, 2);
  expect(ideal! / other!).toBeCloseTo(0.4, 2);
});

test('what never came has a word and no bar', () => {
  expect(picture).toMatch(/>dead<.*\n<text[^>]*>never</);
});

test('titles are escaped, and both light and dark have their colours', () => {
  expect(picture).toContain('cold: pod &lt;Ready&gt;');
  expect(picture).toContain('prefers-color-scheme:dark');
});
