import type { ResponseContentPart, ResponseOutputItem, ResponseStreamEvent } from '../call/response';
import { newId } from './ids';

/** An event without its sequence number. */
export type UnnumberedEvent = Omit<ResponseStreamEvent, 'sequence_number'> & { readonly type: string };

type Emit = (event: UnnumberedEvent) => void;

/** An output item that is being written. */
export interface OpenItem {
  readonly kind: string;
  readonly item: ResponseOutputItem;
  /** Ends the item. @param status 'incomplete' if the answer was cut short. */
  close(status: 'completed' | 'incomplete'): void;
}

/** A message. Its text and its refusal are parts of one item. */
export class OpenMessage implements OpenItem {
  readonly kind = 'message';
  readonly item: ResponseOutputItem & { type: 'message' };
  readonly #emit: Emit;
  readonly #place: { readonly item_id: string; readonly output_index: number };

  constructor(output_index: number, emit: Emit) {
    this.item = { type: 'message', id: newId('msg'), status: 'in_progress', role: 'assistant', content: [] };
    this.#emit = emit;
    this.#place = { item_id: this.item.id, output_index };
    emit({ type: 'response.output_item.added', output_index, item: { ...this.item, content: [] } });
  }

  add(type: ResponseContentPart['type'], delta: string): void {
    const part = this.#part(type);
    if (part.type === 'output_text') part.text += delta;
    else part.refusal += delta;
    const name = type === 'output_text' ? 'response.output_text.delta' : 'response.refusal.delta';
    this.#emit({ type: name, ...this.#partPlace(), delta, ...logprobs(type) });
  }

  close(status: 'completed' | 'incomplete'): void {
    this.#closePart();
    this.item.status = status;
    this.#emit({
      type: 'response.output_item.done',
      output_index: this.#place.output_index,
      item: structuredClone(this.item),
    });
  }

  #part(type: ResponseContentPart['type']): ResponseContentPart {
    const last = this.item.content.at(-1);
    if (last?.type === type) return last;
    this.#closePart();
    const part: ResponseContentPart =
      type === 'output_text' ? { type, text: '', annotations: [] } : { type, refusal: '' };
    this.item.content.push(part);
    this.#emit({
      type: 'response.content_part.added',
      ...this.#partPlace(),
      part: { ...part, ...logprobs(type) },
    });
    return part;
  }

  #closePart(): void {
    const part = this.item.content.at(-1);
    if (!part) return;
    const place = this.#partPlace();
    const more = logprobs(part.type);
    if (part.type === 'output_text')
      this.#emit({ type: 'response.output_text.done', ...place, text: part.text, ...more });
    else this.#emit({ type: 'response.refusal.done', ...place, refusal: part.refusal });
    this.#emit({ type: 'response.content_part.done', ...place, part: { ...part, ...more } });
  }

  #partPlace() {
    return { ...this.#place, content_index: this.item.content.length - 1 };
  }
}

/** Clients require the field `logprobs` of a text part. */
function logprobs(type: ResponseContentPart['type']): { logprobs?: never[] } {
  return type === 'output_text' ? { logprobs: [] } : {};
}

/** Reasoning, shown as its summary. */
export class OpenReasoning implements OpenItem {
  readonly kind = 'reasoning';
  readonly item: ResponseOutputItem & { type: 'reasoning' };
  readonly #emit: Emit;
  readonly #place: { readonly item_id: string; readonly output_index: number; readonly summary_index: 0 };
  #text = '';

  constructor(output_index: number, emit: Emit) {
    this.item = { type: 'reasoning', id: newId('rs'), summary: [] };
    this.#emit = emit;
    this.#place = { item_id: this.item.id, output_index, summary_index: 0 };
    emit({ type: 'response.output_item.added', output_index, item: { ...this.item, summary: [] } });
    const part = { type: 'summary_text', text: '' };
    emit({ type: 'response.reasoning_summary_part.added', ...this.#place, part });
  }

  add(delta: string): void {
    this.#text += delta;
    this.#emit({ type: 'response.reasoning_summary_text.delta', ...this.#place, delta });
  }

  close(): void {
    const part = { type: 'summary_text' as const, text: this.#text };
    this.item.summary = [part];
    this.#emit({ type: 'response.reasoning_summary_text.done', ...this.#place, text: this.#text });
    this.#emit({ type: 'response.reasoning_summary_part.done', ...this.#place, part });
    this.#emit({
      type: 'response.output_item.done',
      output_index: this.#place.output_index,
      item: structuredClone(this.item),
    });
  }
}

/** A call of one of the caller's functions. */
export class OpenFunctionCall implements OpenItem {
  readonly kind = 'function_call';
  readonly item: ResponseOutputItem & { type: 'function_call' };
  readonly #emit: Emit;
  readonly #place: { readonly item_id: string; readonly output_index: number };

  constructor(output_index: number, callId: string, name: string, emit: Emit) {
    const status = 'in_progress';
    this.item = { type: 'function_call', id: newId('fc'), call_id: callId, name, arguments: '', status };
    this.#emit = emit;
    this.#place = { item_id: this.item.id, output_index };
    emit({ type: 'response.output_item.added', output_index, item: { ...this.item } });
  }

  add(delta: string): void {
    this.item.arguments += delta;
    this.#emit({ type: 'response.function_call_arguments.delta', ...this.#place, delta });
  }

  close(status: 'completed' | 'incomplete'): void {
    this.item.status = status;
    const { name, arguments: written } = this.item;
    this.#emit({ type: 'response.function_call_arguments.done', ...this.#place, name, arguments: written });
    this.#emit({
      type: 'response.output_item.done',
      output_index: this.#place.output_index,
      item: { ...this.item },
    });
  }
}
