import { bar, byId, el, setText } from './dom.mjs';
import { usd } from './format.mjs';

const PERIODS = { usdPerHour: 'per hour', usdPerDay: 'per day', usdPerMonth: 'per month' };

/** What is spent of the budgets in US dollars. Hidden where there are none. */
export class BudgetList {
  #store;
  #rows = new Map();

  constructor(store) {
    this.#store = store;
  }

  render() {
    const { budgets = [] } = this.#store.totals;
    byId('budgets').hidden = budgets.length === 0;
    const shown = new Set();
    for (const budget of budgets) {
      const key = `${budget.scope} ${budget.name} ${budget.limit}`;
      shown.add(key);
      const { meter, value } = this.#row(key, budget);
      meter.set(budget.spentUsd / budget.limitUsd);
      setText(value, `${usd(budget.spentUsd)} of ${usd(budget.limitUsd)}`);
    }
    for (const [key, { element }] of this.#rows) {
      if (shown.has(key)) continue;
      element.remove();
      this.#rows.delete(key);
    }
  }

  #row(key, { scope, name, limit }) {
    const known = this.#rows.get(key);
    if (known) return known;
    const meter = bar();
    const value = el('b');
    const label = `${scope === 'total' ? 'Everything' : name}, ${PERIODS[limit]}`;
    const element = el('li', {}, el('span', {}, label), meter.element, value);
    byId('budget-list').append(element);
    const row = { element, meter, value };
    this.#rows.set(key, row);
    return row;
  }
}
