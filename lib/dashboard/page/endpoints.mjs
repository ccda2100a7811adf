import { byId, el, setAttribute, setText } from './dom.mjs';
import { EndpointRow } from './endpoint-row.mjs';
import { count } from './format.mjs';
import { stateOf } from './summary.mjs';

const PAGE_SIZE = 25;
/** Rows change places at most this often, and not while someone is about to click one. */
const SORT_MS = 2_000;
const LEVELS = ['bad', 'warn', 'idle', 'good'];

const COLUMNS = [
  { key: 'name', label: 'Endpoint', direction: 1, value: ({ name }) => name },
  { key: 'state', label: 'State', direction: 1, value: (row) => LEVELS.indexOf(stateOf(row).level) },
  { key: 'share', label: 'Traffic', direction: -1, value: ({ share }) => share },
  { key: 'inFlight', label: 'In flight', direction: -1, value: ({ inFlight }) => inFlight },
  {
    key: 'latency',
    label: 'Latency',
    direction: -1,
    value: ({ averageLatencyMs }) => averageLatencyMs ?? -1,
  },
  { key: 'quota', label: 'Quota left', direction: 1, value: ({ usedShare }) => 1 - usedShare },
  { key: 'usd', label: 'Cost / min', direction: -1, value: ({ usdPerMinute }) => usdPerMinute },
  { key: 'weight', label: 'Weight', direction: -1, value: ({ weight }) => weight },
];

const FILTERS = {
  all: () => true,
  attention: (row) => stateOf(row).level !== 'good',
  busy: ({ inFlight, attemptsPerMinute }) => inFlight > 0 || attemptsPerMinute > 0,
};

/** The table of endpoints: searched, filtered, sorted, and cut into pages, so that 500 are as light as 12. */
export class EndpointTable {
  #store;
  #rows = new Map();
  #order = [];
  #sortedAt = -Infinity;
  #sort = { key: undefined, direction: 1 };
  #page = 0;
  #filter = 'all';
  #search = '';
  #canControl = false;
  #headers = new Map();
  #body = byId('endpoint-table').tBodies[0];

  constructor(store) {
    this.#store = store;
    this.#createHeader();
    byId('endpoint-filter').addEventListener('change', ({ target }) =>
      this.#change(() => (this.#filter = target.value)),
    );
    byId('endpoint-search').addEventListener('input', ({ target }) =>
      this.#change(() => (this.#search = target.value.trim().toLowerCase())),
    );
    byId('endpoint-pager').addEventListener('click', ({ target }) => {
      const step = Number(target.value);
      if (step) this.#change(() => (this.#page += step), false);
    });
  }

  setControl(canControl) {
    this.#canControl = canControl;
    byId('endpoint-table').classList.toggle('controlled', canControl);
    for (const row of this.#rows.values()) row.setControl(canControl);
  }

  render() {
    const { endpoints } = this.#store;
    const now = performance.now();
    if (now - this.#sortedAt >= SORT_MS && !this.#isInUse()) {
      this.#order = this.#sorted([...endpoints.values()]).map(({ name }) => name);
      this.#sortedAt = now;
    }
    const shown = this.#order.flatMap((name) => {
      const row = endpoints.get(name);
      return row && this.#matches(row) ? [row] : [];
    });
    const pages = Math.max(1, Math.ceil(shown.length / PAGE_SIZE));
    this.#page = Math.max(0, Math.min(this.#page, pages - 1));
    this.#place(shown.slice(this.#page * PAGE_SIZE, (this.#page + 1) * PAGE_SIZE));
    this.#renderCount(shown.length, endpoints.size, pages);
  }

  /** Shows at once what the visitor has asked for. */
  #change(apply, isNewList = true) {
    apply();
    if (isNewList) this.#page = 0;
    this.#sortedAt = -Infinity;
    if (this.#store.totals) this.#renderNow();
  }

  #renderNow() {
    this.#order = this.#sorted([...this.#store.endpoints.values()]).map(({ name }) => name);
    this.render();
  }

  #isInUse() {
    return this.#body.matches(':hover') || this.#body.contains(document.activeElement);
  }

  #sorted(rows) {
    const column = COLUMNS.find(({ key }) => key === this.#sort.key);
    if (!column) return rows;
    const { direction } = this.#sort;
    return rows.toSorted((a, b) => {
      const [first, second] = [column.value(a), column.value(b)];
      const order = typeof first === 'string' ? first.localeCompare(second) : first - second;
      return order === 0 ? a.name.localeCompare(b.name) : direction * order;
    });
  }

  #matches(row) {
    if (!FILTERS[this.#filter](row)) return false;
    return [row.name, row.model, row.provider].some((text) => text.toLowerCase().includes(this.#search));
  }

  /** Puts the rows in place. A row that stays where it is keeps its element, and with it the focus. */
  #place(shown) {
    const kept = new Map();
    let next = this.#body.firstElementChild;
    for (const data of shown) {
      const row = this.#rows.get(data.name) ?? new EndpointRow(data.name, this.#canControl);
      kept.set(data.name, row);
      row.render(data, this.#store.now);
      if (row.element === next) next = next.nextElementSibling;
      else this.#body.insertBefore(row.element, next);
    }
    for (const [name, row] of this.#rows) if (!kept.has(name)) row.element.remove();
    this.#rows = kept;
  }

  #renderCount(shown, all, pages) {
    setText(byId('endpoints-count'), shown === all ? count(all) : `${count(shown)} of ${count(all)}`);
    byId('endpoints-empty').hidden = shown > 0;
    const pager = byId('endpoint-pager');
    pager.hidden = pages === 1;
    const [previous, label, next] = pager.children;
    const first = this.#page * PAGE_SIZE;
    setText(label, `${count(first + 1)} to ${count(Math.min(shown, first + PAGE_SIZE))} of ${count(shown)}`);
    previous.disabled = this.#page === 0;
    next.disabled = this.#page === pages - 1;
  }

  #createHeader() {
    const row = el('tr', { role: 'row' });
    const select = byId('endpoint-sort');
    select.append(el('option', { value: '' }, 'As configured'));
    for (const { key, label } of COLUMNS) {
      const button = el('button', { type: 'button' }, label);
      button.addEventListener('click', () => this.#sortBy(key));
      const header = el('th', { scope: 'col', role: 'columnheader', className: `c-${key}` }, button);
      this.#headers.set(key, header);
      row.append(header);
      select.append(el('option', { value: key }, `By ${label.toLowerCase()}`));
    }
    row.append(
      el(
        'th',
        { scope: 'col', role: 'columnheader', className: 'c-action' },
        el('span', { className: 'hidden' }, 'Controls'),
      ),
    );
    byId('endpoint-table').tHead.append(row);
    select.addEventListener('change', () => this.#setSort(select.value || undefined));
  }

  /** First click: the column's own direction; second: the other; third: as configured. */
  #sortBy(key) {
    const natural = COLUMNS.find((column) => column.key === key).direction;
    if (this.#sort.key !== key) this.#setSort(key);
    else if (this.#sort.direction === natural) this.#setSort(key, -natural);
    else this.#setSort(undefined);
  }

  #setSort(key, direction = COLUMNS.find((column) => column.key === key)?.direction ?? 1) {
    this.#change(() => (this.#sort = { key, direction }));
    byId('endpoint-sort').value = key ?? '';
    for (const [column, header] of this.#headers) {
      if (column === key) setAttribute(header, 'aria-sort', direction === 1 ? 'ascending' : 'descending');
      else header.removeAttribute('aria-sort');
    }
  }
}
