import { command } from './control.mjs';
import { bar, el, setAttribute, setText } from './dom.mjs';
import { compact, count, milliseconds, percent, usd } from './format.mjs';
import { reasonOf, stateOf } from './summary.mjs';

/** One row of the table; on a narrow screen it is a card. */
export class EndpointRow {
  element;
  #name;
  #data;
  #model = el('small');
  #state = el('span', { className: 'state' });
  #reason = el('small', { className: 'reason' });
  #share = bar();
  #shareText = el('b');
  #rate = el('small');
  #inFlight = el('b');
  #latency = el('b');
  #quota = bar('quota');
  #quotaText = el('small');
  #usd = el('b');
  #weightText = el('b');
  #weight;
  #button;

  constructor(name, canControl) {
    this.#name = name;
    this.#weight = el('input', { type: 'number', min: '0', step: 'any', 'aria-label': `Weight of ${name}` });
    this.#weight.addEventListener('change', () => void this.#setWeight());
    this.#button = el('button', { type: 'button' });
    this.#button.addEventListener('click', () => void this.#toggle());
    this.element = el(
      'tr',
      { role: 'row', 'data-endpoint': name },
      el(
        'th',
        { scope: 'row', role: 'rowheader', className: 'c-name' },
        el('span', { className: 'name' }, name),
        this.#model,
      ),
      cell('state', 'State', this.#state, this.#reason),
      cell(
        'share',
        'Traffic',
        el('span', { className: 'pair' }, this.#shareText, this.#rate),
        this.#share.element,
      ),
      cell('inFlight', 'In flight', this.#inFlight),
      cell('latency', 'Latency', this.#latency),
      cell('quota', 'Quota left', this.#quotaText, this.#quota.element),
      cell('usd', 'Cost / min', this.#usd),
      cell('weight', 'Weight', this.#weightText, this.#weight),
      cell('action', '', this.#button),
    );
    this.setControl(canControl);
  }

  setControl(canControl) {
    this.#weight.hidden = !canControl;
    this.#button.hidden = !canControl;
    this.#weightText.hidden = canControl;
  }

  render(data, now) {
    this.#data = data;
    const { label, level } = stateOf(data);
    this.element.dataset.level = level;
    setText(this.#model, `${data.model} · ${data.provider}`);
    setText(this.#state, label);
    this.#state.dataset.level = level;
    const reason =
      reasonOf(data, now) || (data.failures > 0 ? `${count(data.failures)} failed in a row` : '');
    setText(this.#reason, reason);
    this.#reason.title = reason;
    setText(this.#shareText, percent(data.share));
    setText(this.#rate, data.attemptsPerMinute === 0 ? '' : `${compact(data.attemptsPerMinute)}/min`);
    this.#share.set(data.share);
    setText(this.#inFlight, count(data.inFlight));
    setText(this.#latency, milliseconds(data.averageLatencyMs));
    this.#renderQuota(data);
    setText(this.#usd, usd(data.usdPerMinute));
    setText(this.#weightText, String(data.weight));
    this.#renderControls(data);
  }

  #renderQuota({ usedShare, requestsLeft, tokensLeft }) {
    const isLimited = requestsLeft !== undefined || tokensLeft !== undefined;
    const left = [
      requestsLeft === undefined ? '' : `${compact(requestsLeft)} req`,
      tokensLeft === undefined ? '' : `${compact(tokensLeft)} tok`,
    ].filter(Boolean);
    setText(this.#quotaText, isLimited ? left.join(' · ') : 'no limit');
    this.#quota.element.hidden = !isLimited;
    this.#quota.set(1 - usedShare);
    this.#quota.element.dataset.level = usedShare > 0.95 ? 'bad' : usedShare > 0.75 ? 'warn' : 'good';
  }

  #renderControls({ state, weight }) {
    const isDisabled = state === 'disabled';
    if (document.activeElement !== this.#weight) this.#weight.value = weight;
    this.#weight.disabled = isDisabled;
    // Enabling also ends a cooldown and closes the breaker.
    const action = state === 'closed' ? 'Disable' : 'Enable';
    setText(this.#button, action);
    setAttribute(this.#button, 'aria-label', `${action} ${this.#name}`);
  }

  async #toggle() {
    const action = this.#data.state === 'closed' ? 'disable' : 'enable';
    this.#button.disabled = true;
    await command({ endpoint: this.#name, action }, `${this.#name} is ${action}d.`);
    this.#button.disabled = false;
    // A button that is disabled while it works loses the focus.
    this.#button.focus({ preventScroll: true });
  }

  async #setWeight() {
    const weight = this.#weight.valueAsNumber;
    if (!(weight >= 0)) {
      this.#weight.value = this.#data.weight;
      return;
    }
    await command(
      { endpoint: this.#name, action: 'weight', weight },
      `The weight of ${this.#name} is ${weight}.`,
    );
  }
}

function cell(key, label, ...content) {
  return el('td', { role: 'cell', className: `c-${key}`, 'data-label': label }, ...content);
}
