import fc from 'fast-check';
import { Histogram, Registry } from 'prom-client';
import { HistogramMetric } from '../../lib/telemetry/histogram-metric';

const OPTIONS = { name: 'wait_seconds', help: 'Waiting time.', buckets: [0, 0.05, 0.5, 1, 30] };
const LABELS = ['priority', 'model'];

const observation = fc.record({
  priority: fc.integer({ min: 1, max: 3 }),
  model: fc.constantFrom('gpt-4o', 'a "quoted" model', 'line\nbreak'),
  value: fc.oneof(fc.constantFrom(0, 0.05, 0.5, 30, 31), fc.double({ min: 0, max: 40, noNaN: true })),
});

describe('HistogramMetric', () => {
  it("gives the same text as prom-client's histogram after the same observations", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(observation, { minLength: 1, maxLength: 50 }), async (observations) => {
        const theirs = new Registry();
        const reference = new Histogram({ ...OPTIONS, labelNames: LABELS, registers: [theirs] });
        const ours = new Registry();
        const histogram = new HistogramMetric({ ...OPTIONS, labelNames: LABELS });
        ours.registerMetric(histogram as unknown as Histogram);
        for (const { value, ...labels } of observations) {
          reference.observe(labels, value);
          histogram.series(labels).observe(value);
        }
        expect(await ours.metrics()).toBe(await theirs.metrics());
      }),
    );
  });

  it('shows no series without observations, and starts again at 0 after a reset', async () => {
    const registry = new Registry();
    const histogram = new HistogramMetric({ ...OPTIONS, labelNames: LABELS });
    registry.registerMetric(histogram as unknown as Histogram);
    const series = histogram.series({ priority: 1, model: 'gpt-4o' });
    expect(await registry.metrics()).not.toContain('wait_seconds_count{');
    series.observe(2);
    registry.resetMetrics();
    expect(await registry.metrics()).not.toContain('wait_seconds_count{');
    series.observe(3);
    expect(await registry.metrics()).toContain('wait_seconds_sum{priority="1",model="gpt-4o"} 3');
  });
});
