// The demo's part of the page: three shops with the same customers, and buttons to break and heal providers.
const POLL_MS = 1_000;
const section = document.getElementById('extension');
section.classList.add('card', 'sale');
section.setAttribute('aria-labelledby', 'sale-title');

const title = make('h2', { id: 'sale-title' }, 'The sale');
const clock = make('p', { className: 'note' });
const progress = make('i');
const start = make('button', { type: 'button', id: 'sale-start' }, 'Start again');
const shops = make('div', { className: 'shops' });
const provider = make('select', { id: 'fault-provider' });
const kind = make('select', { id: 'fault-kind' });
const breakIt = make('button', { type: 'button' }, 'Break it');
const healAll = make('button', { type: 'button' }, 'Heal all');
const active = make('ul', { className: 'faults', ariaLabel: 'Broken providers' });
section.append(
  make('div', { className: 'head' }, title, clock, make('span', { className: 'spacer' }), start),
  make('div', { className: 'timeline', ariaHidden: 'true' }, progress),
  shops,
  make(
    'div',
    { className: 'break' },
    make('label', {}, 'Provider ', provider),
    make('label', {}, 'Fault ', kind),
    breakIt,
    active,
    healAll,
  ),
);

const cards = new Map();
let shownFaults = '';

start.addEventListener('click', () => send('start'));
breakIt.addEventListener('click', () => send('break', { provider: provider.value, kind: kind.value }));
healAll.addEventListener('click', () => send('heal'));

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

async function send(action, body = {}) {
  await fetch(`/sale/${action}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-demo': '1' },
    body: JSON.stringify(body),
  }).catch(() => undefined);
  await refresh();
}

async function refresh() {
  try {
    const answer = await fetch('/sale/status.json');
    if (answer.ok) render(await answer.json());
  } catch {
    clock.textContent = 'The demo has ended.';
  }
}

function render({ isRunning, second, endsAt, callsPerSecond, providers, kinds, faults, shops: figures }) {
  if (provider.length === 0) {
    provider.append(...providers.map((name) => make('option', {}, name)));
    kind.append(...kinds.map((name) => make('option', {}, name)));
  }
  const time = `${Math.floor(second / 60)}:${String(Math.floor(second % 60)).padStart(2, '0')}`;
  const phase =
    second < endsAt ? `${callsPerSecond.toFixed(1)} customers per second` : 'waiting for the last answers';
  clock.textContent = isRunning ? `${time}, ${phase}` : 'The sale is over.';
  progress.style.width = isRunning ? `${Math.min(100, (100 * second) / endsAt).toFixed(1)}%` : '100%';
  start.disabled = isRunning;
  for (const shop of figures) renderShop(shop);
  renderFaults(faults);
}

function renderShop({
  name,
  title: shopTitle,
  about,
  percent,
  asked,
  inTime,
  refused,
  late,
  p95Ms,
  rateLimited,
  usdPer1k,
}) {
  let card = cards.get(name);
  if (!card) {
    const value = make('strong');
    const meter = make('i');
    const facts = make('dl');
    shops.append(
      make(
        'section',
        { className: `shop ${name}` },
        make('h3', {}, shopTitle),
        make('p', { className: 'note' }, about),
        make('p', { className: 'result' }, value, ' served in time'),
        make('span', { className: 'meter', ariaHidden: 'true' }, meter),
        facts,
      ),
    );
    card = { value, meter, facts: new Map(), list: facts };
    cards.set(name, card);
  }
  card.value.textContent =
    percent === null ? '–' : `${percent.toFixed(percent > 99.9 || percent < 10 ? 1 : 0)} %`;
  card.value.dataset.level = percent === null ? '' : percent >= 95 ? 'good' : percent >= 75 ? 'warn' : 'bad';
  card.meter.style.transform = `scaleX(${(percent ?? 0) / 100})`;
  const facts = {
    Customers: asked,
    'In time': inTime,
    Refused: refused,
    'Too late': late,
    p95: p95Ms === null ? '–' : `${(p95Ms / 1000).toFixed(1)} s`,
    '429s': rateLimited.toLocaleString('en-US'),
    'Per 1,000 answers': usdPer1k === null ? '–' : `$${usdPer1k.toFixed(2)}`,
  };
  for (const [label, fact] of Object.entries(facts)) {
    let shown = card.facts.get(label);
    if (!shown) {
      shown = make('dd');
      card.facts.set(label, shown);
      card.list.append(make('div', {}, make('dt', {}, label), shown));
    }
    shown.textContent = fact;
  }
}

function renderFaults(faults) {
  const key = JSON.stringify(faults);
  healAll.hidden = faults.length === 0;
  if (key === shownFaults) return;
  shownFaults = key;
  active.replaceChildren(
    ...faults.map(({ provider: name, kind: fault }) => {
      const heal = make('button', { type: 'button', ariaLabel: `Heal ${name}` }, 'Heal');
      heal.addEventListener('click', () => send('heal', { provider: name }));
      return make('li', {}, `${name}: ${fault} `, heal);
    }),
  );
}

async function poll() {
  if (!document.hidden) await refresh();
  setTimeout(poll, POLL_MS);
}

void poll();
