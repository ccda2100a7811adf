import { BudgetList } from './budgets.mjs';
import { Chart } from './chart.mjs';
import { connect } from './connection.mjs';
import { byId, setText } from './dom.mjs';
import { EndpointTable } from './endpoints.mjs';
import { RouteList } from './routes.mjs';
import { Store } from './store.mjs';
import { Summary, stateOf } from './summary.mjs';

const store = new Store();
const summary = new Summary(store);
const budgets = new BudgetList(store);
const chart = new Chart(store);
const table = new EndpointTable(store);
const routes = new RouteList(store);

/** Screen readers get the changes of state, all of one update in one sentence. */
const announcements = [];
store.onStateChange = (name, _before, row) => announcements.push(`${name}: ${stateOf(row).label}`);

function render() {
  summary.render();
  budgets.render();
  chart.render();
  table.render();
  routes.render();
  if (announcements.length > 0)
    setText(byId('announcer'), `${announcements.splice(0).slice(0, 5).join('. ')}.`);
  document.dispatchEvent(
    new CustomEvent('ai-dashboard', { detail: { totals: store.totals, endpoints: store.endpoints } }),
  );
}

connect({
  hello({ access }) {
    byId('access').hidden = access === 'control';
    table.setControl(access === 'control');
  },
  snapshot(data) {
    store.applySnapshot(data);
    render();
  },
  update(data) {
    store.applyUpdate(data);
    render();
  },
  status(state, text, message) {
    const live = byId('live');
    live.dataset.state = state;
    setText(live.lastElementChild, text);
    const notice = byId('notice');
    notice.hidden = message === undefined;
    setText(notice, message ?? '');
  },
});
