/**
 * Reads server-sent events from the body of a fetch. EventSource can't be used: it sends no body, and reconnects by itself.
 * @param {ReadableStream<Uint8Array>} body
 * @returns {AsyncGenerator<{ event: string, data: string }>}
 */
export async function* serverSentEvents(body) {
  let text = '';
  for await (const piece of chunksOf(body.pipeThrough(new TextDecoderStream()))) {
    // A CR at the end of a chunk may be the first half of a CRLF.
    text = (text + piece).replace(/\r\n/g, '\n').replace(/\r(?!$)/g, '\n');
    let end = text.indexOf('\n\n');
    for (; end >= 0; end = text.indexOf('\n\n')) {
      const event = parse(text.slice(0, end));
      text = text.slice(end + 2);
      if (event) yield event;
    }
  }
  // What no empty line ends is an incomplete event, and is dropped.
}

/** Safari can't iterate a ReadableStream yet. */
async function* chunksOf(stream) {
  const reader = stream.getReader();
  try {
    for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) yield value;
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function parse(block) {
  let event = 'message';
  const data = [];
  for (const line of block.split('\n')) {
    const colon = line.indexOf(':');
    // A line that begins with a colon is a comment: the server sends those to keep the connection alive.
    if (colon === 0) continue;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') event = value;
    if (field === 'data') data.push(value);
  }
  return data.length > 0 ? { event, data: data.join('\n') } : undefined;
}
