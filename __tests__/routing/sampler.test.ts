import type { Endpoint } from '../../lib/endpoint/endpoint';
import type { Option } from '../../lib/routing/plan';
import { Sampler } from '../../lib/routing/sampler';

const FLEET = Array.from({ length: 500 }, (_, n) => ({ name: `e${n}` }) as unknown as Endpoint);
const [FIRST, SECOND] = FLEET as [Endpoint, Endpoint];
const optionAt = (endpoint: Endpoint) => ({ endpoint }) as Option;

describe('Sampler', () => {
  const drawn = (sampler: Sampler, preferred: readonly Endpoint[] = []) =>
    sampler.draw(optionAt, preferred).map(({ endpoint }) => endpoint);

  it('draws 48 different endpoints', () => {
    const sample = drawn(new Sampler(FLEET));
    expect(new Set(sample).size).toBe(48);
    expect(sample).toHaveLength(48);
  });

  it('always includes preferred endpoints, each once, and none of another tier', () => {
    const sampler = new Sampler(FLEET);
    sampler.remember(FIRST);
    const other = { name: 'other tier' } as unknown as Endpoint;
    const sample = drawn(sampler, [FIRST, SECOND, other]);
    expect(sample.slice(0, 2)).toEqual([FIRST, SECOND]);
    expect(sample).not.toContain(other);
    expect(new Set(sample).size).toBe(sample.length);
  });

  it('includes the eight endpoints that were picked last', () => {
    const sampler = new Sampler(FLEET);
    for (const endpoint of FLEET.slice(0, 10)) sampler.remember(endpoint);
    sampler.remember(FLEET[2] as Endpoint);
    expect(
      drawn(sampler)
        .slice(0, 8)
        .map(({ name }) => name),
    ).toEqual(['e3', 'e4', 'e5', 'e6', 'e7', 'e8', 'e9', 'e2']);
  });

  it('examines all endpoints if few can serve the call', () => {
    const sampler = new Sampler(FLEET);
    const few = sampler.draw((endpoint) => (endpoint === SECOND ? optionAt(endpoint) : undefined), [FIRST]);
    expect(few.map(({ endpoint }) => endpoint)).toEqual([SECOND]);
  });
});
