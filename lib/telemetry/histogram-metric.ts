import type { MetricObject } from 'prom-client';

type Labels = Record<string, string | number>;

/** All observations with the same labels. */
export class HistogramSeries {
  readonly #bounds: readonly number[];
  /** Number of observations in each bucket, not cumulative. The last bucket is for those above all bounds. */
  readonly counts: number[];
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && value > (bounds[bucket] as number)) bucket++;
    this.counts[bucket] = (this.counts[bucket] as number) + 1;
    this.sum += value;
  }

  reset(): void {
    this.counts.fill(0);
    this.sum = 0;
  }
}

interface HistogramOptions {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
  readonly buckets: readonly number[];
}

/**
 * A histogram for a prom-client registry. prom-client's own sorts, joins and looks up the labels at every observation;
 * here the caller looks up the series of a set of labels once and keeps it.
 */
export class HistogramMetric {
  readonly type = 'histogram';
  readonly aggregator = 'sum';
  readonly help: string;
  readonly labelNames: readonly string[];
  /** Not readonly: the registry may change it to the name that OpenMetrics requires. */
  name: string;
  readonly #buckets: readonly number[];
  readonly #series = new Map<string, { readonly labels: Labels; readonly series: HistogramSeries }>();

  constructor({ name, help, labelNames, buckets }: HistogramOptions) {
    this.name = name;
    this.help = help;
    this.labelNames = labelNames;
    this.#buckets = buckets;
  }

  /** Returns the series of these labels, always the same object for equal labels. */
  series(labels: Labels): HistogramSeries {
    const key = JSON.stringify(this.labelNames.map((label) => labels[label]));
    const known = this.#series.get(key);
    if (known) return known.series;
    const series = new HistogramSeries(this.#buckets);
    this.#series.set(key, { labels, series });
    return series;
  }

  /** Called by the registry at each scrape. */
  get(): Promise<Pick<MetricObject, 'name' | 'help' | 'aggregator'>> {
    const { name, help, type, aggregator } = this;
    const values = [...this.#series.values()].flatMap((each) => this.#valuesOf(each));
    return Promise.resolve({ name, help, type, aggregator, values });
  }

  /** Sets all series to zero. Callers can go on using the series that they keep. */
  reset(): void {
    for (const { series } of this.#series.values()) series.reset();
  }

  #valuesOf({ labels, series }: { readonly labels: Labels; readonly series: HistogramSeries }) {
    let count = 0;
    const buckets = series.counts.map((own, index) => {
      count += own;
      const le = this.#buckets[index] ?? '+Inf';
      return { metricName: `${this.name}_bucket`, labels: { le, ...labels }, value: count };
    });
    if (count === 0) return [];
    return [
      ...buckets,
      { metricName: `${this.name}_sum`, labels, value: series.sum },
      { metricName: `${this.name}_count`, labels, value: count },
    ];
  }
}
