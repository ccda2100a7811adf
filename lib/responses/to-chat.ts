import type { ChatBody, ChatMessage, ResponseBody } from '../call/body';
import { omitUndefined } from '../util/defaults';
import { type Fields, isObject } from '../util/is-object';
import { NativeOnly, toMessages } from './input-items';

/** A Responses request translated to a chat request. */
export interface ChatTranslation {
  /**
   * The chat request, as far as the Responses request can be expressed. It is always good enough for estimates and
   * routing.
   */
  readonly body: ChatBody;
  /** The first field that a chat request can't express; undefined if `body` may be sent in place of the request. */
  readonly nativeOnly: string | undefined;
}

/** Fields that change what a request means, and that only the Responses API understands. */
const NATIVE_FIELDS = ['previous_response_id', 'conversation', 'prompt', 'background', 'store'] as const;

/**
 * Translates a Responses request. Fields that don't change the answer, or only its presentation, are dropped:
 * `include`, `truncation`, `verbosity`, reasoning summaries.
 *
 * @param items The input with every known item reference replaced. A reference that is left can't be translated.
 * @throws ERR_AI_BAD_REQUEST for an item that no API understands.
 */
export function toChat(request: ResponseBody, items: readonly unknown[]): ChatTranslation {
  const fields = request as Fields;
  let nativeOnly = NATIVE_FIELDS.find((field) => isSet(fields[field])) as string | undefined;
  const attempt = <T>(translate: () => T, otherwise: T): T => {
    try {
      return translate();
    } catch (error) {
      if (!(error instanceof NativeOnly)) throw error;
      nativeOnly ??= error.field;
      return otherwise;
    }
  };
  const messages = attempt(() => toMessages(items), roughMessages(items));
  const tools = attempt(() => toTools(fields.tools), []);
  const choice = attempt(() => toToolChoice(fields.tool_choice, tools), { tools });
  const body = {
    ...omitUndefined({
      model: request.model,
      stream: request.stream === true ? true : undefined,
      temperature: orUndefined(fields.temperature),
      top_p: orUndefined(fields.top_p),
      user: orUndefined(fields.user),
      metadata: isObject(fields.metadata) ? fields.metadata : undefined,
      response_format: toResponseFormat(request.text),
      ...toReasoning(request),
    }),
    ...(choice.tools.length > 0
      ? omitUndefined({ ...choice, parallel_tool_calls: orUndefined(fields.parallel_tool_calls) })
      : {}),
    messages: [...instructionMessages(request.instructions), ...messages],
  };
  return { body: body as ChatBody, nativeOnly };
}

/** The items of an input, which may also be a text. */
export function inputItems(input: ResponseBody['input']): readonly unknown[] {
  if (typeof input === 'string') return [{ type: 'message', role: 'user', content: input }];
  return input ?? [];
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null && value !== false;
}

function instructionMessages(instructions: string | null | undefined): ChatMessage[] {
  return typeof instructions === 'string' && instructions !== ''
    ? [{ role: 'system', content: instructions }]
    : [];
}

/** Messages for the token estimate of a request that can't be translated. */
function roughMessages(items: readonly unknown[]): ChatMessage[] {
  const text = JSON.stringify(items);
  return [{ role: 'user', content: text }];
}

interface ChatTool {
  readonly type: 'function';
  readonly function: Fields;
}

function toTools(tools: unknown): ChatTool[] {
  if (!Array.isArray(tools)) return [];
  return (tools as unknown[]).map((tool) => {
    if (!isObject(tool) || tool.type !== 'function') throw new NativeOnly('tools');
    const { name, description, parameters, strict } = tool;
    const named = { name, description: orUndefined(description), parameters: orUndefined(parameters) };
    return { type: 'function', function: omitUndefined({ ...named, strict: orUndefined(strict) }) };
  });
}

interface ToolChoice {
  readonly tools: readonly ChatTool[];
  readonly tool_choice?: unknown;
}

function toToolChoice(choice: unknown, tools: readonly ChatTool[]): ToolChoice {
  if (choice === undefined || choice === null) return { tools };
  if (typeof choice === 'string') return { tools, tool_choice: choice };
  if (isObject(choice) && choice.type === 'function')
    return { tools, tool_choice: { type: 'function', function: { name: choice.name } } };
  if (isObject(choice) && choice.type === 'allowed_tools' && Array.isArray(choice.tools)) {
    const allowed = new Set(
      (choice.tools as unknown[]).map((tool) => (isObject(tool) ? tool.name : undefined)),
    );
    return {
      tools: tools.filter((tool) => allowed.has(tool.function.name)),
      tool_choice: choice.mode ?? 'auto',
    };
  }
  throw new NativeOnly('tool_choice');
}

function toResponseFormat(text: unknown): unknown {
  const format = isObject(text) ? text.format : undefined;
  if (!isObject(format) || format.type === 'text') return undefined;
  if (format.type !== 'json_schema') return { type: format.type };
  const { name, description, schema, strict } = format;
  const named = omitUndefined({ name, description, schema, strict: orUndefined(strict) });
  return { type: 'json_schema', json_schema: named };
}

/**
 * Converts the reasoning effort and the output limit. With an effort the limit is called `max_completion_tokens`,
 * because reasoning models don't know `max_tokens`; otherwise `max_tokens`, because servers of other models may know
 * nothing else.
 */
function toReasoning({ reasoning, max_output_tokens: limit }: ResponseBody): Fields {
  const effort = isObject(reasoning) ? orUndefined(reasoning.effort) : undefined;
  const name = effort === undefined ? 'max_tokens' : 'max_completion_tokens';
  return { reasoning_effort: effort, [name]: orUndefined(limit) };
}

function orUndefined<T>(value: T | null): T | undefined {
  return value ?? undefined;
}
