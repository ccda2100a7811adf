import { byId, el, setAttribute, setStyle, setText, svg } from './dom.mjs';
import { clock, compact, milliseconds } from './format.mjs';

const HEIGHT = { calls: 150, gap: 26, p95: 76, axis: 20 };
const LEFT = 56;
const RIGHT = 6;
/** Bars narrower than this are joined. */
const MIN_BAR = 4;
const STACK = ['ok', 'shed', 'failed'];
const LABELS = { ok: 'answered', shed: 'shed', failed: 'failed' };

/** Calls and failures as stacked bars, and below them the 95th percentile of the durations, over one time axis. */
export class Chart {
  #store;
  #box = byId('chart');
  #legend = new Map();
  #time = el('span', { className: 'at' });
  #cursor;
  #width = 0;
  #columns = [];
  #shown;
  #minutes = 15;
  #drawn;

  constructor(store) {
    this.#store = store;
    for (const name of [...STACK.toReversed(), 'p95']) {
      const value = el('b');
      byId('legend').append(
        el('span', { className: `key ${name}` }, el('i'), `${LABELS[name] ?? name} `, value),
      );
      this.#legend.set(name, value);
    }
    byId('legend').prepend(this.#time);
    new ResizeObserver(([entry]) => {
      this.#width = Math.floor(entry.contentRect.width);
      this.#cursor = undefined;
      if (store.totals) this.render();
    }).observe(this.#box);
    this.#box.addEventListener('pointermove', (event) =>
      this.#point(event.clientX - this.#box.getBoundingClientRect().left),
    );
    for (const name of ['pointerleave', 'blur'])
      this.#box.addEventListener(name, () => this.#select(undefined));
    this.#box.addEventListener('keydown', (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      this.#select(
        Math.max(0, Math.min(this.#columns.length - 1, (this.#cursor ?? this.#columns.length - 1) + step)),
      );
    });
  }

  render() {
    if (this.#width < 100) return;
    this.#shown = this.#store.shown;
    this.#minutes = this.#store.minutes;
    setText(byId('chart-title'), `Last ${this.#minutes} minutes`);
    this.#columns = this.#joined();
    if (
      this.#drawn?.count !== this.#columns.length ||
      this.#drawn.width !== this.#width ||
      this.#drawn.minutes !== this.#minutes
    )
      this.#create();
    const { calls, p95 } = this.#drawn;
    const mostCalls = niceTop(
      Math.max(1, ...this.#columns.map(({ ok, failed, shed }) => ok + failed + shed)),
    );
    const mostMs = niceTop(Math.max(100, ...this.#columns.map((column) => column.p95 ?? 0)));
    this.#columns.forEach((column, at) => {
      let y = HEIGHT.calls;
      for (const name of STACK) {
        const height = (column[name] / mostCalls) * HEIGHT.calls;
        y -= height;
        setAttribute(calls[at][name], 'y', y.toFixed(1));
        setAttribute(calls[at][name], 'height', height.toFixed(1));
      }
    });
    setAttribute(p95.line, 'd', this.#p95Path(mostMs, false));
    setAttribute(p95.area, 'd', this.#p95Path(mostMs, true));
    setText(this.#drawn.callsTop, compact(mostCalls));
    setText(this.#drawn.callsHalf, mostCalls >= 2 ? compact(mostCalls / 2) : '');
    setText(this.#drawn.p95Top, milliseconds(mostMs));
    this.#renderLegend();
  }

  /** The buckets, several joined where there is no room for each. */
  #joined() {
    const history = this.#shown;
    const size = Math.ceil((history.ok.length * MIN_BAR) / (this.#width - LEFT - RIGHT));
    const columns = [];
    for (let end = history.ok.length; end > 0; end -= size) {
      const start = Math.max(0, end - size);
      const sum = (name) => history[name].slice(start, end).reduce((total, value) => total + value, 0);
      const known = history.p95Ms.slice(start, end).filter((value) => value !== null);
      columns.unshift({
        ok: sum('ok'),
        failed: sum('failed'),
        shed: sum('shed'),
        p95: known.length > 0 ? Math.max(...known) : null,
        start,
        end,
      });
    }
    return columns;
  }

  #create() {
    const count = this.#columns.length;
    const plot = this.#width - LEFT - RIGHT;
    const step = plot / count;
    const top = 6;
    const p95Top = top + HEIGHT.calls + HEIGHT.gap;
    const bottom = p95Top + HEIGHT.p95;
    const grid = (y, label) => {
      const text = svg('text', { x: LEFT - 8, y: y + 4, class: 'y' });
      text.textContent = label;
      root.append(svg('line', { x1: LEFT, x2: LEFT + plot, y1: y, y2: y, class: 'grid' }), text);
      return text;
    };
    const root = svg('svg', { width: this.#width, height: bottom + HEIGHT.axis, 'aria-hidden': 'true' });
    const callsTop = grid(top, '');
    const callsHalf = grid(top + HEIGHT.calls / 2, '');
    grid(top + HEIGHT.calls, '0');
    const p95TopText = grid(p95Top, '');
    grid(bottom, '0');
    const seconds = ((this.#columns[0].end - this.#columns[0].start) * this.#shown.bucketMs) / 1_000;
    for (const [y, label] of [
      [top + 12, `calls per ${seconds} s`],
      [p95Top - 9, 'p95 duration'],
    ]) {
      const caption = svg('text', { x: LEFT + 4, y });
      caption.textContent = label;
      root.append(caption);
    }
    for (let back = 3; back >= 0; back--) {
      const minutes = (this.#minutes * back) / 3;
      const x = LEFT + plot * (1 - back / 3);
      const text = svg('text', {
        x,
        y: bottom + 16,
        class: ['x last', 'x', 'x', 'x first'][back],
      });
      text.textContent = minutes === 0 ? 'now' : timeBack(minutes);
      root.append(text);
    }
    const cursor = svg('rect', { class: 'cursor', y: top, width: Math.max(2, step), height: bottom - top });
    root.append(cursor);
    const bars = svg('g', { transform: `translate(${LEFT} ${top})` });
    const calls = this.#columns.map((_, at) =>
      Object.fromEntries(
        STACK.map((name) => {
          const rect = svg('rect', {
            class: name,
            x: (at * step + 0.5).toFixed(2),
            width: Math.max(1, step - 1).toFixed(2),
            y: 0,
            height: 0,
          });
          bars.append(rect);
          return [name, rect];
        }),
      ),
    );
    const p95 = { area: svg('path', { class: 'area' }), line: svg('path', { class: 'line' }) };
    root.append(
      bars,
      svg('g', { transform: `translate(${LEFT} ${p95Top})`, class: 'p95' }, p95.area, p95.line),
    );
    this.#box.replaceChildren(root);
    this.#drawn = {
      count,
      width: this.#width,
      minutes: this.#minutes,
      step,
      calls,
      p95,
      cursor,
      callsTop,
      callsHalf,
      p95Top: p95TopText,
    };
  }

  /** A line that is broken where nothing was answered. */
  #p95Path(most, isArea) {
    const { step } = this.#drawn;
    const runs = [];
    let run = [];
    this.#columns.forEach(({ p95 }, at) => {
      if (p95 === null) {
        run = [];
        return;
      }
      if (run.length === 0) runs.push(run);
      run.push([(at + 0.5) * step, HEIGHT.p95 * (1 - p95 / most)]);
    });
    return runs
      .map((points) => {
        // A single value is drawn as a short dash.
        const ends =
          points.length > 1
            ? points
            : [
                [points[0][0] - step / 2, points[0][1]],
                [points[0][0] + step / 2, points[0][1]],
              ];
        const line = ends.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join('L');
        return isArea
          ? `M${ends[0][0].toFixed(1)},${HEIGHT.p95}L${line}L${ends.at(-1)[0].toFixed(1)},${HEIGHT.p95}Z`
          : `M${line}`;
      })
      .join('');
  }

  #point(x) {
    if (!this.#drawn) return;
    const at = Math.floor((x - LEFT) / this.#drawn.step);
    this.#select(at >= 0 && at < this.#columns.length ? at : undefined);
  }

  #select(at) {
    if (at === this.#cursor) return;
    this.#cursor = at;
    if (this.#drawn) this.#renderLegend();
  }

  /** The values under the cursor, else the sums. */
  #renderLegend() {
    const { now } = this.#store;
    const history = this.#shown;
    const column = this.#columns[this.#cursor];
    const { cursor, step } = this.#drawn;
    setStyle(cursor, 'opacity', column ? '1' : '0');
    const total = (name) => history[name].reduce((sum, value) => sum + value, 0);
    for (const name of STACK) setText(this.#legend.get(name), compact(column ? column[name] : total(name)));
    const known = history.p95Ms.filter((value) => value !== null);
    setText(this.#legend.get('p95'), milliseconds(column ? column.p95 : (known.at(-1) ?? null)));
    if (!column) {
      setText(this.#time, '');
      return;
    }
    setAttribute(cursor, 'x', (LEFT + this.#cursor * step).toFixed(2));
    const at = now - (history.ok.length - column.start) * history.bucketMs;
    setText(this.#time, `${clock(at)}, ${((column.end - column.start) * history.bucketMs) / 1000} s`);
    setAttribute(
      this.#box,
      'aria-label',
      `${clock(at)}: ${column.ok} answered, ${column.failed} failed, ${column.shed} shed, p95 ${milliseconds(column.p95)}`,
    );
  }
}

/** Such as '−5 min' or '−3:20 min'. */
function timeBack(minutes) {
  const seconds = Math.round((minutes % 1) * 60);
  return `−${Math.floor(minutes)}${seconds === 0 ? '' : `:${String(seconds).padStart(2, '0')}`} min`;
}

/** A round number at or above the value. */
function niceTop(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((factor) => factor * power).find((top) => top >= value);
}
