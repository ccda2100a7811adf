import { byId, el, setText } from './dom.mjs';
import { clock, compact, failureLabel, milliseconds, usd } from './format.mjs';

const MAX_SHOWN = 20;
const OUTCOMES = {
  served: { label: 'Served', level: 'good' },
  rerouted: { label: 'Rerouted', level: 'warn' },
  failed: { label: 'Failed', level: 'bad' },
};

/** The last calls: which endpoints they were sent to, and why. It stands still while someone reads it. */
export class RouteList {
  #store;
  #list = byId('routes');
  #filter = 'all';
  #newest = 0;
  #items = new Map();

  constructor(store) {
    this.#store = store;
    byId('route-filter').addEventListener('change', ({ target }) => {
      this.#filter = target.value;
      this.#newest = 0;
      this.render(true);
    });
  }

  render(isForced = false) {
    const calls = this.#store.calls
      .filter(({ outcome }) => this.#filter === 'all' || outcome === this.#filter)
      .slice(0, MAX_SHOWN);
    byId('routes-empty').hidden = calls.length > 0;
    setText(byId('routes-empty'), this.#filter === 'all' ? 'No call yet.' : `No ${this.#filter} call yet.`);
    const newest = calls[0]?.number ?? 0;
    const isRead = !isForced && this.#isRead();
    setText(byId('routes-note'), isRead && newest > this.#newest ? 'paused while you read' : '');
    if (isRead || (newest === this.#newest && !isForced)) return;
    this.#newest = newest;
    const items = new Map(calls.map((call) => [call.number, this.#items.get(call.number) ?? itemOf(call)]));
    this.#items = items;
    this.#list.replaceChildren(...items.values());
  }

  #isRead() {
    return (
      this.#list.matches(':hover') ||
      this.#list.contains(document.activeElement) ||
      this.#list.querySelector('details[open]') !== null
    );
  }
}

function itemOf(call) {
  const { label, level } = OUTCOMES[call.outcome];
  const details = el(
    'details',
    {},
    el(
      'summary',
      {},
      el('time', {}, clock(call.at)),
      el('span', { className: 'state', 'data-level': level }, label),
      pathOf(call),
      el('span', { className: 'facts' }, ...factsOf(call).map((fact) => el('span', {}, fact))),
    ),
  );
  // What few people open is created when they do.
  details.addEventListener('toggle', () => details.append(explanationOf(call)), { once: true });
  return el('li', {}, details);
}

/** The endpoints in the order of the attempts. */
function pathOf({ attempts, code }) {
  const steps = attempts.map(({ endpoint, class: failure, status, hedge }) => {
    const why =
      failure === undefined ? '' : ` ${failureLabel(failure)}${status === undefined ? '' : ` ${status}`}`;
    return el(
      'span',
      { className: failure === undefined ? 'step' : 'step failed' },
      `${endpoint}${hedge ? ' (hedge)' : ''}`,
      el('em', {}, why),
    );
  });
  if (code !== undefined) steps.push(el('span', { className: 'step failed' }, code));
  return el('span', { className: 'path' }, ...steps);
}

function factsOf({ model, priority, ms, waitMs, tokens, costUsd }) {
  return [
    model,
    `P${priority}`,
    milliseconds(ms),
    waitMs > 0 ? `waited ${milliseconds(waitMs)}` : '',
    tokens === undefined ? '' : `${compact(tokens)} tok`,
    costUsd === undefined ? '' : usd(costUsd),
  ].filter(Boolean);
}

function explanationOf({ why, candidates, removed, endpoint, requestId, firstTokenMs }) {
  const total = candidates + removed;
  const intro =
    total === 0
      ? 'It ended before an endpoint was chosen.'
      : `The last decision looked at ${total} endpoints: ${candidates} could serve it, ${removed} could not. The lowest score wins; nearly equal ones are decided by chance.`;
  const first = firstTokenMs === undefined ? '' : ` First token after ${milliseconds(firstTokenMs)}.`;
  return el(
    'div',
    { className: 'why' },
    el('p', {}, intro + first, ' ', el('code', {}, requestId)),
    el('ul', {}, ...why.map((verdict) => verdictOf(verdict, endpoint))),
  );
}

function verdictOf({ endpoint, removedBy, score, terms = {} }, chosen) {
  const parts = Object.entries(terms).filter(([, value]) => Math.abs(value) >= 0.005);
  const text =
    removedBy ??
    parts
      .sort(([, a], [, b]) => Math.abs(b) - Math.abs(a))
      .map(([name, value]) => `${name} ${value.toFixed(2)}`)
      .join(', ');
  return el(
    'li',
    { className: removedBy ? 'removed' : '' },
    el('b', {}, endpoint),
    el('span', { className: 'score' }, score === undefined ? '' : score.toFixed(2)),
    el('span', {}, endpoint === chosen && !removedBy ? `chosen${text ? `: ${text}` : ''}` : text),
  );
}
