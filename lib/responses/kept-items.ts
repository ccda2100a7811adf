import type { ChatBody, ResponseBody } from '../call/body';
import type { ResponseRequest } from '../call/call';
import type { AIResponse } from '../call/response';
import { badRequest } from '../errors';
import { isObject } from '../util/is-object';
import { isOwnId } from './ids';
import { inputItems, toChat } from './to-chat';

/** What is remembered of a response, or of one of its items. */
interface Kept {
  /**
   * The account under which the provider stores the response (see `accountOf`); undefined if only this process keeps
   * it.
   */
  readonly account: string | undefined;
  /** The item as JSON; undefined for a response, and for an item that was too large. */
  readonly text: string | undefined;
  readonly at: number;
}

const LIFETIME_MS = 60 * 60_000;
const MAX_ENTRIES = 20_000;
const MAX_CHARS = 32 * 2 ** 20;
const MAX_ITEM_CHARS = 2 ** 20;

/**
 * Remembers the account under which a response is stored, and the items of responses. Clients such as the AI SDK refer
 * to an item by its id instead of sending it again, and an upstream without the Responses API knows no ids. Entries are
 * limited in number, size and age. Ids are random, so nobody can guess another's.
 */
export class KeptItems {
  readonly #entries = new Map<string, Kept>();
  #chars = 0;

  /**
   * Remembers a response and its items.
   *
   * @param account Undefined for a translated response, which no provider stores.
   */
  keep(response: AIResponse, account: string | undefined, { tenant }: ResponseRequest): void {
    if (account !== undefined)
      this.#set(keyOf(response.id, tenant), { account, text: undefined, at: Date.now() });
    for (const item of response.output as readonly unknown[]) {
      if (!isObject(item) || typeof item.id !== 'string') continue;
      const text = JSON.stringify(item);
      const kept = text.length > MAX_ITEM_CHARS ? undefined : text;
      this.#set(keyOf(item.id, tenant), { account, text: kept, at: Date.now() });
    }
  }

  /**
   * Prepares a Responses request: its translation to a chat request, and the data needed to send it to a Responses API.
   *
   * @throws ERR_AI_BAD_REQUEST for an item that no API understands, or a previous response that is not stored anywhere.
   */
  prepare(body: ResponseBody, tenant: string | undefined): { chat: ChatBody; responses: ResponseRequest } {
    const previous = body.previous_response_id ?? undefined;
    if (previous !== undefined && isOwnId(previous)) {
      throw badRequest(
        'previous_response_id',
        'this response was not kept, because the endpoint that gave it has no Responses API. Send the whole ' +
          'conversation as input instead',
      );
    }
    let account = previous === undefined ? undefined : this.#get(previous, tenant)?.account;
    const items: unknown[] = [];
    const native: unknown[] = [];
    for (const item of inputItems(body.input)) {
      const id = isObject(item) && item.type === 'item_reference' ? item.id : undefined;
      const kept = typeof id === 'string' ? this.#get(id, tenant) : undefined;
      account ??= kept?.account;
      const whole = kept?.text === undefined ? item : (JSON.parse(kept.text) as unknown);
      items.push(whole);
      if (kept && kept.account === undefined) native.push(...withoutOwnId(whole));
      else native.push(...withoutOwnId(item));
    }
    const { body: chat, nativeOnly } = toChat(body, items);
    const sent =
      typeof body.input === 'string' || body.input === undefined ? body : { ...body, input: native };
    return {
      chat,
      responses: { body: sent as ResponseBody, nativeOnly, keptAt: account, isTranslated: false, tenant },
    };
  }

  #get(id: string, tenant: string | undefined): Kept | undefined {
    const kept = this.#entries.get(keyOf(id, tenant));
    return kept && Date.now() - kept.at <= LIFETIME_MS ? kept : undefined;
  }

  #set(key: string, kept: Kept): void {
    this.#delete(key);
    this.#entries.set(key, kept);
    this.#chars += kept.text?.length ?? 0;
    for (const [oldest, { at }] of this.#entries) {
      const isOver = this.#entries.size > MAX_ENTRIES || this.#chars > MAX_CHARS;
      if (!isOver && Date.now() - at <= LIFETIME_MS) break;
      this.#delete(oldest);
    }
  }

  #delete(key: string): void {
    this.#chars -= this.#entries.get(key)?.text?.length ?? 0;
    this.#entries.delete(key);
  }
}

/**
 * Removes the balancer's own ids, and reasoning items that have one: an upstream refuses ids that it has not issued,
 * and reasoning that it does not store.
 */
function withoutOwnId(item: unknown): unknown[] {
  if (!isObject(item) || !isOwnId(item.id)) return [item];
  if (item.type === 'reasoning') return [];
  const { id: _, ...rest } = item;
  return item.type === 'item_reference' ? [item] : [rest];
}

function keyOf(id: string, tenant = ''): string {
  return JSON.stringify([tenant, id]);
}
