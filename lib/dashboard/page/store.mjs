const SERIES = ['ok', 'failed', 'shed', 'p95Ms', 'usd'];
const BUCKETS = 180;
/** The chart shows the shortest of these spans, in minutes, that holds every call. */
const SPANS = [3, 5, 10, 15];
const CALLS_PER_OUTCOME = 20;
/** Values of figures that have no history on the server, two per second. */
const RECENT = 120;

/** The state as last received, with what the page remembers itself. */
export class Store {
  totals;
  /** Endpoints by name, in the order of the configuration. */
  endpoints = new Map();
  history = { first: 0, bucketMs: 5_000, ok: [], failed: [], shed: [], p95Ms: [], usd: [] };
  /** Newest first. */
  calls = [];
  recent = { inFlight: [], waiting: [] };
  /** Called with the name of an endpoint, its state before, and its row, whenever the state changes. */
  onStateChange = () => {};
  /** The server's clock less this one's. */
  #clockOffset = 0;

  /** The time on the server's clock. */
  get now() {
    return Date.now() + this.#clockOffset;
  }

  applySnapshot({ totals, endpoints, history, calls }) {
    const before = this.endpoints;
    this.endpoints = new Map(endpoints.map((row) => [row.name, row]));
    for (const row of endpoints) this.#compare(before.get(row.name), row);
    this.history = history;
    this.calls = [];
    this.#addCalls(calls);
    this.#setTotals(totals);
  }

  applyUpdate({ totals, endpoints, history, calls }) {
    for (const row of endpoints) {
      this.#compare(this.endpoints.get(row.name), row);
      this.endpoints.set(row.name, row);
    }
    this.#extendHistory(history);
    this.#addCalls(calls);
    this.#setTotals(totals);
  }

  /** The span of the chart in minutes: a process that has just started fills a short one. */
  get minutes() {
    const { ok, failed, shed, bucketMs } = this.history;
    const first = ok.findIndex((value, at) => value + failed[at] + shed[at] > 0);
    const used = first < 0 ? 0 : ((ok.length - first) * bucketMs) / 60_000;
    return SPANS.find((minutes) => minutes >= used) ?? SPANS.at(-1);
  }

  /** The history of that span. */
  get shown() {
    const { history } = this;
    const buckets = (this.minutes * 60_000) / history.bucketMs;
    const shown = { bucketMs: history.bucketMs };
    for (const name of SERIES) shown[name] = history[name].slice(-buckets);
    return shown;
  }

  #setTotals(totals) {
    this.totals = totals;
    this.#clockOffset = totals.at - Date.now();
    this.#remember(this.recent.inFlight, totals.inFlight);
    this.#remember(this.recent.waiting, totals.queue.size);
  }

  #remember(values, value) {
    values.push(value);
    if (values.length > RECENT) values.shift();
  }

  #compare(before, row) {
    if (before && before.state !== row.state) this.onStateChange(row.name, before.state, row);
  }

  /** Puts the newest buckets in their places, and moves the window along. */
  #extendHistory(newest) {
    const { history } = this;
    const end = newest.first + newest.ok.length;
    for (const name of SERIES) {
      const values = history[name].slice(0, Math.max(0, newest.first - history.first));
      while (values.length < newest.first - history.first) values.push(name === 'p95Ms' ? null : 0);
      history[name] = [...values, ...newest[name]].slice(-BUCKETS);
    }
    history.first = end - history.ok.length;
  }

  #addCalls(calls) {
    const counts = { served: 0, rerouted: 0, failed: 0 };
    const all = [...this.calls, ...calls].sort((a, b) => b.number - a.number);
    this.calls = all.filter(({ outcome }) => ++counts[outcome] <= CALLS_PER_OUTCOME);
  }
}
