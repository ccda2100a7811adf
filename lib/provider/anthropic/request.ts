import type { ChatBody } from '../../call/body';
import { type Fields, isObject } from '../../util/is-object';
import type { DialectCall, DialectEndpoint } from '../dialect';
import { readConversation } from '../translation/conversation';
import { droppedFeatures } from '../translation/features';
import { isBlank, textBlock, toMessages, toolLoopHasThinking } from './content';
import { closedSchema } from './json-schema';
import { type ModelTraits, modelTraits } from './model-traits';
import { ANTHROPIC_SUPPORT, OWN_FIELDS } from './support';
import { toThinking } from './thinking';
import { forcesTool, toTools } from './tools';
import type { MessagesRequest, OutputConfig, Tool } from './wire';

/** Default of `max_tokens`, for a model whose largest output is unknown. */
const DEFAULT_MAX_TOKENS = 8192;

export interface TranslatedRequest {
  readonly body: MessagesRequest;
  readonly dropped: readonly string[];
}

type ChatCall = Extract<DialectCall, { operation: 'chat' }>;
/** Converts an OpenAI chat body to a request of the Messages API. */
export function toMessagesRequest(call: ChatCall, endpoint: DialectEndpoint): TranslatedRequest {
  const { body, stream } = call;
  const fields = body as unknown as Fields;
  const traits = modelTraits(endpoint.model);
  const dropped = new Set(droppedFeatures(call, ANTHROPIC_SUPPORT, OWN_FIELDS));
  const conversation = readConversation(body.messages);
  const maxTokens = maxTokensOf(body, endpoint);
  const format = jsonFormat(body.response_format, traits);
  const tools = toTools(body, conversation.turns, format?.toolSchema);
  const thinking = toThinking(traits, {
    effort: fields.reasoning_effort,
    own: fields.thinking,
    maxTokens,
    forcesTool: forcesTool(tools.tool_choice),
    allowsBudget: toolLoopHasThinking(conversation.turns),
  });
  if (thinking.isDropped) dropped.add('reasoning_effort');
  const outputConfig: OutputConfig = {
    ...(thinking.effort ? { effort: thinking.effort } : {}),
    ...(format?.schema ? { format: { type: 'json_schema', schema: format.schema } } : {}),
  };
  const system = conversation.system.filter((part) => !isBlank(part)).map(textBlock);
  const request: MessagesRequest = {
    model: endpoint.model,
    max_tokens: maxTokens,
    messages: toMessages(conversation),
    ...(system.length > 0 ? { system } : {}),
    ...(stream ? { stream } : {}),
    ...samplingOf(fields, traits, thinking.thinking?.type === 'enabled', dropped),
    ...stopSequences(fields.stop, dropped),
    ...tools,
    ...(thinking.thinking ? { thinking: thinking.thinking } : {}),
    ...(Object.keys(outputConfig).length > 0 ? { output_config: outputConfig } : {}),
    ...userOf(fields),
  };
  return { body: request, dropped: [...dropped] };
}

/** Returns `max_tokens`, which the API requires. It refuses a value above the model's largest output. */
function maxTokensOf(body: ChatBody, { maxOutputTokens }: DialectEndpoint): number {
  const asked = body.max_completion_tokens ?? body.max_tokens ?? maxOutputTokens ?? DEFAULT_MAX_TOKENS;
  return Math.min(asked, maxOutputTokens ?? Infinity);
}

interface JsonFormat {
  /** Schema for the model's structured outputs. */
  readonly schema?: Record<string, unknown>;
  /** Input schema of the JSON tool, which is used where structured outputs can't be. */
  readonly toolSchema?: Tool['input_schema'];
}

function jsonFormat(format: unknown, traits: ModelTraits): JsonFormat | undefined {
  if (!isObject(format)) return undefined;
  if (format.type === 'json_object') return { toolSchema: { type: 'object', additionalProperties: true } };
  if (format.type !== 'json_schema') return undefined;
  const schema = isObject(format.json_schema) ? format.json_schema.schema : undefined;
  if (!isObject(schema)) return { toolSchema: { type: 'object', additionalProperties: true } };
  const closed = traits.jsonSchema ? closedSchema(schema) : undefined;
  return closed ? { schema: closed } : { toolSchema: { ...schema, type: 'object' } };
}

type Sampling = Pick<MessagesRequest, 'temperature' | 'top_p' | 'top_k'>;

/**
 * The sampling parameters that the model accepts: a temperature of at most 1; from Claude 4.1 only one of `temperature`
 * and `top_p`; from 4.7, or with a thinking budget, none.
 */
function samplingOf(
  { temperature, top_p: topP, top_k: topK }: Fields,
  traits: ModelTraits,
  hasBudget: boolean,
  dropped: Set<string>,
): Sampling {
  const asked = { temperature, top_p: topP, top_k: topK };
  const sampling: Sampling = {};
  for (const name of ['temperature', 'top_p', 'top_k'] as const) {
    const value = asked[name];
    if (typeof value !== 'number') continue;
    const isExcluded = name === 'top_p' && sampling.temperature !== undefined && !traits.bothSamplings;
    if (!traits.sampling || hasBudget || isExcluded) {
      // 1 is the default of `temperature` and `top_p`: leaving it out changes nothing.
      if (name === 'top_k' || value !== 1) dropped.add(name);
      continue;
    }
    sampling[name] = name === 'temperature' ? Math.min(1, value) : value;
    if (name === 'temperature' && value > 1) dropped.add('temperature above 1');
  }
  return sampling;
}

/** Leaves out stop sequences that consist of white space only: the API refuses them. */
function stopSequences(stop: unknown, dropped: Set<string>): Pick<MessagesRequest, 'stop_sequences'> {
  const list = (Array.isArray(stop) ? stop : [stop]).filter(
    (text): text is string => typeof text === 'string',
  );
  const sequences = list.filter((text) => text.trim() !== '');
  if (list.some((text) => text !== '' && text.trim() === '')) dropped.add('stop of white space alone');
  return sequences.length > 0 ? { stop_sequences: sequences } : {};
}

function userOf({ safety_identifier: identifier, user }: Fields): Pick<MessagesRequest, 'metadata'> {
  const id = identifier ?? user;
  return typeof id === 'string' && id !== '' ? { metadata: { user_id: id } } : {};
}
