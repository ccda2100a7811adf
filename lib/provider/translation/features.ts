import { type Fields, isObject } from '../../util/is-object';
import type { DialectCall } from '../dialect';
import { imageUrl, textOf } from './conversation';

/** Returns the path in a body to the first use of a feature; undefined if it is not used. */
type Find = (body: Fields) => string | undefined;

/**
 * Features that a chat call can use beyond plain messages: the name in docs/providers.md, and how to find the feature
 * in a body. Dialects other than OpenAI's drop fields that belong to no feature.
 */
export const CHAT_FEATURES = {
  'images (URL)': inParts((part) => part.type === 'image_url' && !isDataUrl(imageUrl(part))),
  'images (base64)': inParts((part) => part.type === 'image_url' && isDataUrl(imageUrl(part))),
  'image detail': inParts(
    (part) => isObject(part.image_url) && !['', 'auto'].includes(textOf(part.image_url.detail)),
  ),
  'files (base64)': inParts((part) => part.type === 'file' && !isStoredFile(part)),
  'files (file_id)': inParts((part) => part.type === 'file' && isStoredFile(part)),
  'audio input': inParts((part) => part.type === 'input_audio'),
  'audio output': (body: Fields) =>
    listOf(body.modalities).some((modality) => modality !== 'text')
      ? 'modalities'
      : isObject(body.audio)
        ? 'audio'
        : firstMessage(body, (message) => (isObject(message.audio) ? 'audio' : undefined)),
  'other content parts': inParts((part) => !KNOWN_PARTS.has(textOf(part.type))),
  tools: (body: Fields) => (listOf(body.tools).length > 0 ? 'tools' : undefined),
  'custom tools': (body: Fields) => firstOf(body.tools, 'tools', (tool) => tool.type !== 'function'),
  'strict tools': (body: Fields) =>
    firstOf(body.tools, 'tools', (tool) => isObject(tool.function) && tool.function.strict === true),
  tool_choice: given('tool_choice'),
  // Not counted as used if one function is forced, because other functions can't be called in parallel then.
  'parallel_tool_calls: false': (body: Fields) =>
    body.parallel_tool_calls === false && listOf(body.tools).length > 0 && !namesFunction(body.tool_choice)
      ? 'parallel_tool_calls'
      : undefined,
  functions: (body: Fields) =>
    given('functions')(body) ??
    given('function_call')(body) ??
    firstMessage(body, (message) =>
      isObject(message.function_call) || message.role === 'function' ? 'function_call' : undefined,
    ),
  'response_format: json_schema': responseFormat('json_schema'),
  'response_format: json_object': responseFormat('json_object'),
  max_completion_tokens: (body: Fields) => given('max_completion_tokens')(body) ?? given('max_tokens')(body),
  temperature: given('temperature'),
  top_p: given('top_p'),
  stop: given('stop'),
  n: given('n', (value) => typeof value === 'number' && value > 1),
  seed: given('seed'),
  frequency_penalty: given('frequency_penalty', isNotZero),
  presence_penalty: given('presence_penalty', isNotZero),
  logit_bias: given('logit_bias', (value) => isObject(value) && Object.keys(value).length > 0),
  logprobs: (body: Fields) => (body.logprobs === true ? 'logprobs' : given('top_logprobs', isNotZero)(body)),
  reasoning_effort: given('reasoning_effort'),
  verbosity: given('verbosity'),
  cache_control: (body: Fields) =>
    firstOf(body.tools, 'tools', (tool) => isObject(tool.cache_control)) ??
    firstMessage(body, (message) => (isObject(message.cache_control) ? 'cache_control' : undefined)) ??
    inParts((part) => isObject(part.cache_control))(body),
  user: (body: Fields) => given('safety_identifier')(body) ?? given('user')(body),
  service_tier: given('service_tier', (value) => typeof value === 'string' && value !== 'auto'),
  prediction: given('prediction'),
  web_search_options: given('web_search_options'),
  metadata: given('metadata'),
  store: given('store', (value) => value === true),
  prompt_cache_key: (body: Fields) =>
    given('prompt_cache_key')(body) ?? given('prompt_cache_retention')(body),
} satisfies Record<string, Find>;

/** Features that an embeddings call can use. */
export const EMBEDDING_FEATURES = {
  dimensions: given('dimensions'),
  'encoding_format: base64': given('encoding_format', (value) => value === 'base64'),
  'token ids': given('input', (value) => Array.isArray(value) && typeof value[0] !== 'string'),
} satisfies Record<string, Find>;

export type ChatFeature = keyof typeof CHAT_FEATURES;
export type EmbeddingFeature = keyof typeof EMBEDDING_FEATURES;

/**
 * What a dialect does with a feature: 'sent' in the provider's own form; 'ignored', because it has no influence on the
 * answer; 'dropped' with a warning, because the answer is as good without it; 'refused', so that a call which uses it goes
 * to another endpoint.
 */
export type Support = 'sent' | 'ignored' | 'dropped' | 'refused';

export interface FeatureSupport {
  readonly chat: Readonly<Record<ChatFeature, Support>>;
  /** Undefined if the provider has no embeddings. */
  readonly embeddings?: Readonly<Record<EmbeddingFeature, Support>>;
}

/** Path in the body to the first use of a feature that the dialect refuses; undefined if there is none. */
export function refusedFeature(call: DialectCall, support: FeatureSupport): string | undefined {
  const body = call.body as unknown as Fields;
  for (const [feature, find] of featuresOf(call)) {
    if (supportOf(support, call, feature) !== 'refused') continue;
    const place = find(body);
    if (place !== undefined) return place === feature ? place : `${place} (${feature})`;
  }
  return undefined;
}

/**
 * Names of the features that the call uses and the dialect drops, and of body fields that neither OpenAI's format nor
 * `ownFields` contains.
 */
export function droppedFeatures(
  call: DialectCall,
  support: FeatureSupport,
  ownFields: readonly string[] = [],
): string[] {
  const body = call.body as unknown as Fields;
  const dropped: string[] = [];
  for (const [feature, find] of featuresOf(call)) {
    if (supportOf(support, call, feature) === 'dropped' && find(body) !== undefined) dropped.push(feature);
  }
  for (const field of Object.keys(body)) {
    if (!KNOWN_FIELDS.has(field) && !ownFields.includes(field) && isSet(body[field]))
      dropped.push(field.slice(0, 64));
  }
  return dropped;
}

function featuresOf(call: DialectCall): [string, Find][] {
  return Object.entries(call.operation === 'chat' ? CHAT_FEATURES : EMBEDDING_FEATURES);
}

function supportOf(
  support: FeatureSupport,
  { operation }: DialectCall,
  feature: string,
): Support | undefined {
  const table: Readonly<Record<string, Support>> | undefined = support[operation];
  return table?.[feature];
}

const KNOWN_FIELDS: ReadonlySet<string> = new Set([
  ...['model', 'messages', 'input', 'stream', 'stream_options', 'max_tokens', 'top_logprobs', 'modalities'],
  ...['audio', 'response_format', 'parallel_tool_calls', 'functions', 'function_call', 'safety_identifier'],
  ...['prompt_cache_retention', 'encoding_format'],
  ...Object.keys(CHAT_FEATURES),
  ...Object.keys(EMBEDDING_FEATURES),
]);

const KNOWN_PARTS: ReadonlySet<string> = new Set(['text', 'refusal', 'image_url', 'input_audio', 'file']);

function given(field: string, isUsed: (value: unknown) => boolean = isSet): Find {
  return (body) => (isUsed(body[field]) ? field : undefined);
}

function responseFormat(type: string): Find {
  return given('response_format', (value) => isObject(value) && value.type === type);
}

function inParts(matches: (part: Fields) => boolean): Find {
  return (body) => firstMessage(body, ({ content }) => firstOf(content, 'content', (part) => matches(part)));
}

function firstMessage(body: Fields, find: (message: Fields) => string | undefined): string | undefined {
  for (const [index, message] of listOf(body.messages).entries()) {
    const place = isObject(message) ? find(message) : undefined;
    if (place !== undefined) return `messages[${index}].${place}`;
  }
  return undefined;
}

function firstOf(list: unknown, name: string, matches: (item: Fields) => boolean): string | undefined {
  const index = listOf(list).findIndex((item) => isObject(item) && matches(item));
  return index === -1 ? undefined : `${name}[${index}]`;
}

function namesFunction(choice: unknown): boolean {
  return isObject(choice) && choice.type === 'function';
}

function isStoredFile({ file }: Fields): boolean {
  return !isObject(file) || textOf(file.file_data) === '';
}

function isDataUrl(url: string): boolean {
  return /^data:/i.test(url.slice(0, 5));
}

function isNotZero(value: unknown): boolean {
  return typeof value === 'number' && value !== 0;
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null && !(Array.isArray(value) && value.length === 0);
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [];
}
