import { describe, expect, it } from 'vitest';
import { Failure } from '../../src/lib/errors.ts';
import { checks } from '../../src/smoke/checks.ts';
import { select } from '../../src/smoke/select.ts';

const names = (only: readonly string[], skip: readonly string[] = []): string[] =>
  select(checks, { only, skip }).map(({ name }) => name);

describe('the checks', () => {
  it('have names of their own, and each comes after those it needs', () => {
    const seen = new Set<string>();
    for (const { name, needs } of checks) {
      expect(seen).not.toContain(name);
      for (const need of needs) expect(seen, `${name} needs ${need}`).toContain(need);
      seen.add(name);
    }
  });

  it('end with the one that removes what the others made', () => {
    expect(checks.filter(({ last }) => last === true).map(({ name }) => name)).toEqual([checks.at(-1)?.name]);
  });
});

describe('selecting', () => {
  it('nothing means all', () => {
    expect(names([])).toEqual(checks.map(({ name }) => name));
  });

  it('only some brings what they need, directly or not, and always the removal', () => {
    expect(names(['pod-ip'])).toEqual(['service-account', 'pod', 'exec', 'pod-ip', 'namespace']);
  });

  it('skipping leaves out nothing else: what needs it says so itself', () => {
    expect(names([], ['pod', 'dns'])).toEqual(
      checks.map(({ name }) => name).filter((name) => name !== 'pod' && name !== 'dns'),
    );
  });

  it('an unknown name is refused with the nearest known one and all there are', () => {
    const refusal = (): unknown => names(['pod'], ['servic']);
    expect(refusal).toThrow(Failure);
    expect(refusal).toThrow('no check is called "servic"; did you mean "service"?');
  });

  it('the removal cannot be left out', () => {
    expect(() => names([], ['namespace'])).toThrow('"namespace" cannot be left out');
  });
});
