import { serverSentEvents } from './events.mjs';

const log = document.getElementById('log');
const scroller = log.parentElement;
const form = document.getElementById('form');
const question = document.getElementById('question');
const sendButton = document.getElementById('send');
const stopButton = document.getElementById('stop');
const status = document.getElementById('status');

/** The conversation that is sent with each question: questions with their answers, stopped answers included. */
const history = [];
/** Stops the answer that is being written. */
let running;

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const text = question.value.trim();
  if (running || text === '') return;
  question.value = '';
  show('user', 'You').write(text);
  void answer(text);
});

question.addEventListener('keydown', (event) => {
  // Input methods, such as those for Japanese, end a word with Enter.
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  form.requestSubmit();
});

document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') running?.abort();
});
stopButton.addEventListener('click', () => {
  running?.abort();
  question.focus();
});

async function answer(text) {
  const leaving = new AbortController();
  running = leaving;
  setBusy(true);
  const message = show('assistant', 'Helpdesk');
  try {
    await receive(text, message, leaving.signal);
    remember(text, message.text);
    message.end();
    say('The answer is complete.');
  } catch (error) {
    if (leaving.signal.aborted) {
      remember(text, message.text);
      message.end('You stopped this answer: it is not complete.');
      say('Stopped.');
    } else {
      message.fail(error.message, () => void answer(text));
      say('The answer failed.');
    }
  } finally {
    running = undefined;
    setBusy(false);
  }
}

/** Shows the answer as it is written. Throws unless it is whole. */
async function receive(text, message, signal) {
  say('Waiting for the answer.');
  const response = await fetch('chat', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ messages: [...history, { role: 'user', content: text }] }),
    signal,
  }).catch((error) => {
    throw signal.aborted ? error : new Error('The helpdesk cannot be reached.');
  });
  if (!response.ok) throw new Error(await refusal(response));
  let whole = false;
  try {
    for await (const { event, data } of serverSentEvents(response.body)) {
      if (event === 'restart') {
        // Another endpoint restarts the answer: the text shown so far is no longer part of it.
        message.restart('The connection broke, so this answer was begun again.');
        say('The connection broke. The answer begins again.');
      } else if (data === '[DONE]') whole = true;
      else {
        const chunk = JSON.parse(data);
        if (chunk.error) throw new Error('The answer broke off.');
        message.write(chunk.choices?.[0]?.delta?.content ?? '');
      }
    }
  } catch (error) {
    throw signal.aborted ? error : new Error('The answer broke off.');
  }
  // A connection may end without an error in the middle of an answer.
  if (!whole) throw new Error('The answer broke off.');
}

async function refusal(response) {
  const seconds = Number(response.headers.get('retry-after'));
  if (response.status === 429 || response.status === 503) {
    return seconds > 0
      ? `Very many people are asking right now. Please try again in ${seconds} s.`
      : 'Very many people are asking right now. Please try again soon.';
  }
  return 'The helpdesk could not answer.';
}

function remember(text, content) {
  if (content.trim() === '') return;
  history.push({ role: 'user', content: text }, { role: 'assistant', content: content.slice(0, 4_000) });
}

function setBusy(busy) {
  stopButton.hidden = !busy;
  sendButton.hidden = busy;
}

function say(text) {
  status.textContent = text;
}

/** A message in the conversation. Texts are only ever set as text: an answer is not trusted. */
function show(role, who) {
  const element = document.createElement('article');
  element.className = `message ${role}`;
  const name = add(element, 'p', 'who', who);
  const body = add(element, 'p', 'text');
  // Screen readers read an answer when it is complete, not word by word.
  element.setAttribute('aria-busy', String(role === 'assistant'));
  let note;
  keepInView(() => log.append(element));
  return {
    get text() {
      return body.textContent;
    },
    write(text) {
      if (text === '') return;
      if (body.textContent === '' && role === 'assistant') say('The answer is being written.');
      keepInView(() => body.append(text));
    },
    restart(text) {
      body.textContent = '';
      note?.remove();
      note = element.insertBefore(document.createElement('p'), name.nextSibling);
      note.className = 'note restarted';
      note.textContent = text;
    },
    end(text) {
      if (text) keepInView(() => add(element, 'p', 'note', text));
      element.setAttribute('aria-busy', 'false');
    },
    fail(text, again) {
      element.classList.add('failed');
      keepInView(() => {
        const note = add(element, 'div', 'note', text);
        const button = add(note, 'button', 'again', 'Try again');
        button.type = 'button';
        button.addEventListener('click', () => {
          if (running) return;
          element.remove();
          again();
          question.focus();
        });
      });
      element.setAttribute('aria-busy', 'false');
    },
  };
}

function add(parent, tag, className, text = '') {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  parent.append(element);
  return element;
}

/** Follows the answer, unless the reader has scrolled up. */
function keepInView(change) {
  const follows = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 40;
  change();
  if (follows) scroller.scrollTop = scroller.scrollHeight;
}

question.focus();
