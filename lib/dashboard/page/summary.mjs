import { bar, byId, el, setAttribute, setStyle, setText, svg } from './dom.mjs';
import { compact, count, milliseconds, percent, span, usd } from './format.mjs';

const STATES = {
  closed: { label: 'Healthy', level: 'good' },
  open: { label: 'Breaker open', level: 'bad' },
  'half-open': { label: 'Half-open', level: 'warn' },
  cooldown: { label: 'Cooling down', level: 'warn' },
  disabled: { label: 'Disabled', level: 'idle' },
};
const MAX_ATTENTION = 4;
const PRIORITIES = [5, 4, 3, 2, 1];
const SPARK = { width: 100, height: 28 };

/** The label of an endpoint's state, and how good it is. */
export function stateOf({ state, weight }) {
  if (state === 'closed' && weight === 0) return { label: 'Weight 0', level: 'idle' };
  return STATES[state] ?? { label: state, level: 'idle' };
}

/** Why an endpoint takes no calls, and until when. */
export function reasonOf({ reason, cooldownUntil }, now) {
  const until = cooldownUntil === undefined ? '' : `${span(cooldownUntil - now)} left`;
  return [reason, until].filter(Boolean).join(' · ');
}

/** What can be seen at one glance: health, what needs attention, six figures, the queue. */
export class Summary {
  #store;
  #tiles = [];
  #queue = new Map();
  #attention = '';
  #shown;

  constructor(store) {
    this.#store = store;
    const { recent } = store;
    const history = (read) => () => this.#shown.ok.map((_, at) => read(this.#shown, at));
    this.#tile(
      'Calls per minute',
      ({ callsPerMinute }) => compact(callsPerMinute),
      history(({ ok, failed, shed }, at) => ok[at] + failed[at] + shed[at]),
    );
    this.#tile(
      'Failed',
      ({ callsPerMinute, failedPerMinute }) =>
        callsPerMinute === 0 ? '–' : percent(failedPerMinute / callsPerMinute),
      history(({ failed, shed }, at) => failed[at] + shed[at]),
      ({ callsPerMinute: all, failedPerMinute: failed }) =>
        failed === 0 ? '' : failed > 0.05 * all ? 'bad' : 'warn',
    );
    this.#tile(
      'p95 duration',
      ({ p95Ms }) => milliseconds(p95Ms),
      history(({ p95Ms }, at) => p95Ms[at] ?? 0),
    );
    this.#tile(
      'In flight',
      ({ inFlight }) => compact(inFlight),
      () => recent.inFlight,
    );
    this.#tile(
      'Waiting',
      ({ queue }) => compact(queue.size),
      () => recent.waiting,
      ({ queue }) => (queue.size > 0 ? 'warn' : ''),
    );
    this.#tile(
      'Cost per minute',
      ({ usdPerMinute }) => usd(usdPerMinute),
      history(({ usd: values }, at) => values[at]),
    );
    for (const priority of PRIORITIES) this.#queueRow(priority);
  }

  render() {
    const { totals } = this.#store;
    this.#shown = this.#store.shown;
    this.#renderHealth(totals);
    this.#renderAttention();
    for (const { value, tile, spark, text, series, level } of this.#tiles) {
      setText(value, text(totals));
      tile.dataset.level = level(totals);
      drawSpark(spark, series());
    }
    this.#renderQueue(totals);
  }

  #renderHealth({ total, healthy, cluster }) {
    const pill = byId('health');
    setText(pill, `${healthy} of ${total} healthy`);
    pill.dataset.level = healthy === total ? 'good' : healthy === 0 ? 'bad' : 'warn';
    const shared = byId('cluster');
    shared.hidden = cluster === undefined;
    if (cluster) setText(shared, `Cluster: ${cluster.mode}, ${count(cluster.members)} processes`);
  }

  #renderAttention() {
    const needy = [...this.#store.endpoints.values()].filter((row) =>
      ['bad', 'warn'].includes(stateOf(row).level),
    );
    const section = byId('attention');
    section.hidden = needy.length === 0;
    const lines = needy
      .slice(0, MAX_ATTENTION)
      .map((row) => [row.name, stateOf(row), reasonOf(row, this.#store.now)]);
    const more = needy.length - lines.length;
    const key = JSON.stringify([lines, more]);
    if (key === this.#attention) return;
    this.#attention = key;
    const items = lines.map(([name, { label, level }, reason]) =>
      el(
        'li',
        {},
        el('span', { className: 'state', 'data-level': level }, label),
        el('strong', {}, name),
        el('span', {}, reason),
      ),
    );
    if (more > 0)
      items.push(
        el('li', { className: 'note' }, `and ${count(more)} more: filter the endpoints by “Needs attention”`),
      );
    section.lastElementChild.replaceChildren(...items);
  }

  #tile(name, text, series, level = () => '') {
    const value = el('dd');
    const spark = svg(
      'svg',
      {
        class: 'spark',
        viewBox: `0 0 ${SPARK.width} ${SPARK.height}`,
        preserveAspectRatio: 'none',
        'aria-hidden': 'true',
      },
      svg('path', { class: 'area' }),
      svg('path', { class: 'line' }),
    );
    const tile = el('div', { className: 'tile' }, el('dt', {}, name), value, spark);
    byId('tiles').append(tile);
    this.#tiles.push({ value, tile, spark, text, series, level });
  }

  #queueRow(priority) {
    const meter = bar();
    const value = el('b');
    const name =
      priority === 5 ? 'Priority 5, highest' : priority === 1 ? 'Priority 1, lowest' : `Priority ${priority}`;
    byId('queue').append(el('li', {}, el('span', {}, name), meter.element, value));
    this.#queue.set(priority, { meter, value });
  }

  #renderQueue({ queue, calls }) {
    const most = Math.max(1, ...Object.values(queue.byPriority));
    for (const [priority, { meter, value }] of this.#queue) {
      const waiting = queue.byPriority[priority] ?? 0;
      meter.set(waiting / most);
      setText(value, count(waiting));
    }
    setText(byId('queue-size'), queue.size === 0 ? 'Nobody is waiting' : `${count(queue.size)} waiting`);
    setText(
      byId('queue-note'),
      `Since the start: ${count(calls.ok)} answered, ${count(calls.failed)} failed, ${count(calls.shed)} shed.`,
    );
  }
}

/** A small line without axes. */
function drawSpark(spark, values) {
  const [area, line] = spark.children;
  const most = Math.max(...values, 0);
  const { width, height } = SPARK;
  if (values.length < 2 || most === 0) {
    for (const path of [area, line]) setAttribute(path, 'd', '');
    return;
  }
  const points = values.map(
    (value, at) =>
      `${((at / (values.length - 1)) * width).toFixed(1)},${(height - 2 - (value / most) * (height - 4)).toFixed(1)}`,
  );
  setAttribute(line, 'd', `M${points.join('L')}`);
  setAttribute(area, 'd', `M0,${height}L${points.join('L')}L${width},${height}Z`);
  setStyle(spark, 'opacity', '1');
}
