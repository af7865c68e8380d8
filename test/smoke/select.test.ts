import { describe, expect, it } from 'vitest';
import { Failure } from '../../src/lib/errors.ts';
import { checks } from '../../src/smoke/checks.ts';
import { select } from '../../src/smoke/select.ts';

const names = (only: readonly string[], skip: readonly string[] = []): string[] =>
  select(checks, { only, skip }).map(({ name }) => name);

describe('the checks', () => {
  it('have unique names, and each comes after those it needs', () => {
    const seen = new Set<string>();
    for (const { name, needs } of checks) {
      expect(seen).not.toContain(name);
      for (const need of needs) expect(seen, `${name} needs ${need}`).toContain(need);
      seen.add(name);
    }
  });

  it('end with the clean-up', () => {
    expect(checks.filter(({ last }) => last === true).map(({ name }) => name)).toEqual([checks.at(-1)?.name]);
  });
});

describe('selecting', () => {
  it('without names selects all', () => {
    expect(names([])).toEqual(checks.map(({ name }) => name));
  });

  it('`only` adds what they need, directly or not, and always the clean-up', () => {
    expect(names(['pod-ip'])).toEqual(['pressure', 'service-account', 'pod', 'exec', 'pod-ip', 'namespace']);
  });

  it('`skip` leaves out nothing else: a check that needs it is skipped when it runs', () => {
    expect(names([], ['pod', 'dns'])).toEqual(
      checks.map(({ name }) => name).filter((name) => name !== 'pod' && name !== 'dns'),
    );
  });

  it('refuses an unknown name and suggests the nearest one', () => {
    const refusal = (): unknown => names(['pod'], ['servic']);
    expect(refusal).toThrow(Failure);
    expect(refusal).toThrow('no check is called "servic"; did you mean "service"?');
  });

  it('refuses to skip the clean-up', () => {
    expect(() => names([], ['namespace'])).toThrow('"namespace" cannot be skipped');
  });
});
