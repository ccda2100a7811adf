import { byId, setText } from './dom.mjs';

const TOAST_MS = 6_000;
let toastTimer;

/** Shows a message for some seconds. */
export function toast(text, level = 'good') {
  const element = byId('toast');
  setText(element, text);
  element.dataset.level = level;
  element.dataset.shown = 'true';
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => {
    element.dataset.shown = 'false';
  }, TOAST_MS);
}

/** Sends a control request and says what came of it. Resolves to whether it was carried out. */
export async function command(body, done) {
  try {
    const answer = await fetch('control', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-ai-dashboard': '1' },
      body: JSON.stringify(body),
    });
    if (answer.ok) {
      toast(done);
      return true;
    }
    const { error } = await answer.json();
    toast(`${body.endpoint}: ${error?.message ?? `the server answered ${answer.status}`}`, 'bad');
  } catch {
    toast(`${body.endpoint}: the server cannot be reached. Nothing was changed.`, 'bad');
  }
  return false;
}
