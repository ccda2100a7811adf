import { type Fields, isObject } from '../../util/is-object';
import type { DialectCall, DialectEndpoint } from '../dialect';
import { readConversation, textOf } from '../translation/conversation';
import { droppedFeatures } from '../translation/features';
import { allowedTools, functionName, toolMode } from '../translation/tool-choice';
import { toContents } from './content';
import { type ModelTraits, modelTraits } from './model-traits';
import { GEMINI_SUPPORT, OWN_FIELDS } from './support';
import type {
  CallingMode,
  FunctionDeclaration,
  GenerateContentRequest,
  GenerationConfig,
  ThinkingConfig,
} from './wire';

export interface TranslatedRequest {
  readonly body: GenerateContentRequest;
  readonly dropped: readonly string[];
}

type ChatCall = Extract<DialectCall, { operation: 'chat' }>;
/** Converts an OpenAI chat body to a request of generateContent. */
export function toGenerateContent(
  call: ChatCall,
  { model, maxOutputTokens }: DialectEndpoint,
): TranslatedRequest {
  const { body } = call;
  const fields = body as unknown as Fields;
  const traits = modelTraits(model);
  const dropped = new Set(droppedFeatures(call, GEMINI_SUPPORT, OWN_FIELDS));
  const conversation = readConversation(body.messages);
  const thinking = thinkingConfig(fields, traits);
  if (thinking === 'dropped') dropped.add('reasoning_effort');
  const asked = body.max_completion_tokens ?? body.max_tokens ?? undefined;
  const config: GenerationConfig = {
    ...numbers(fields),
    ...(asked === undefined ? {} : { maxOutputTokens: Math.min(asked, maxOutputTokens ?? Infinity) }),
    ...stopSequences(fields.stop),
    ...jsonOutput(body.response_format),
    ...(thinking === undefined || thinking === 'dropped' ? {} : { thinkingConfig: thinking }),
  };
  const system = conversation.system.map(({ text }) => ({ text }));
  const request: GenerateContentRequest = {
    ...(system.length > 0 ? { systemInstruction: { parts: system } } : {}),
    contents: toContents(conversation, traits.needsSignatures),
    ...toTools(fields),
    ...(Object.keys(config).length > 0 ? { generationConfig: config } : {}),
    ...cachedContent(fields),
  };
  return { body: request, dropped: [...dropped] };
}

const NUMBERS = {
  n: 'candidateCount',
  temperature: 'temperature',
  top_p: 'topP',
  top_k: 'topK',
  seed: 'seed',
  presence_penalty: 'presencePenalty',
  frequency_penalty: 'frequencyPenalty',
} as const;

function numbers(fields: Fields): GenerationConfig {
  const config: GenerationConfig = {};
  for (const [field, name] of Object.entries(NUMBERS)) {
    const value = fields[field];
    if (typeof value === 'number' && !(field === 'n' && value === 1)) config[name] = value;
  }
  return config;
}

function stopSequences(stop: unknown): GenerationConfig {
  const list = (Array.isArray(stop) ? stop : [stop]).filter(
    (text): text is string => typeof text === 'string',
  );
  const sequences = list.filter((text) => text !== '');
  return sequences.length > 0 ? { stopSequences: sequences } : {};
}

function jsonOutput(format: unknown): GenerationConfig {
  if (!isObject(format)) return {};
  if (format.type !== 'json_schema' && format.type !== 'json_object') return {};
  const schema = isObject(format.json_schema) ? format.json_schema.schema : undefined;
  return {
    responseMimeType: 'application/json',
    ...(isObject(schema) ? { responseJsonSchema: schema } : {}),
  };
}

function toTools(fields: Fields): Pick<GenerateContentRequest, 'tools' | 'toolConfig'> {
  const declarations = allowedTools(fields.tools, fields.tool_choice).map(toDeclaration);
  if (declarations.length === 0) return {};
  const { tool_choice: choice } = fields;
  const mode = toolMode(choice);
  const config: { mode: CallingMode; allowedFunctionNames?: string[] } | undefined =
    isObject(choice) && choice.type === 'function'
      ? { mode: 'ANY', allowedFunctionNames: [functionName(choice)] }
      : mode === 'required'
        ? { mode: 'ANY' }
        : mode === 'none'
          ? { mode: 'NONE' }
          : mode === 'auto'
            ? { mode: 'AUTO' }
            : undefined;
  return {
    tools: [{ functionDeclarations: declarations }],
    ...(config ? { toolConfig: { functionCallingConfig: config } } : {}),
  };
}

function toDeclaration(tool: Fields): FunctionDeclaration {
  const { name, description, parameters } = isObject(tool.function) ? tool.function : ({} as Fields);
  return {
    name: textOf(name),
    ...(typeof description === 'string' ? { description } : {}),
    ...(isObject(parameters) ? { parametersJsonSchema: parameters } : {}),
  };
}

/**
 * Thinking budgets in tokens by `reasoning_effort`, as in Google's OpenAI-compatible API:
 * https://ai.google.dev/gemini-api/docs/openai#thinking
 */
const BUDGETS: Readonly<Record<string, number>> = {
  minimal: 1024,
  low: 1024,
  medium: 8192,
  high: 24_576,
  xhigh: 24_576,
  max: 24_576,
};
/** The smallest thinking budget, in tokens, of a model whose thinking can't be disabled. */
const MIN_BUDGET = 128;

/** Converts `reasoning_effort` to a thinking configuration; 'dropped' if the model can't think. */
function thinkingConfig(fields: Fields, traits: ModelTraits): ThinkingConfig | 'dropped' | undefined {
  const own = googleFields(fields).thinking_config;
  if (isObject(own)) return ownThinking(own);
  const effort = textOf(fields.reasoning_effort);
  if (effort !== 'none' && !Object.hasOwn(BUDGETS, effort)) return undefined;
  const isOff = effort === 'none';
  if (traits.thinking === 'none') return isOff ? undefined : 'dropped';
  if (traits.thinking === 'budget') {
    const budget = isOff ? (traits.alwaysThinks ? MIN_BUDGET : 0) : (BUDGETS[effort] ?? 0);
    return { thinkingBudget: budget, ...(isOff ? {} : { includeThoughts: true }) };
  }
  const least = traits.alwaysThinks ? 'LOW' : 'MINIMAL';
  const level =
    isOff || effort === 'minimal'
      ? least
      : effort === 'low'
        ? 'LOW'
        : effort === 'medium'
          ? 'MEDIUM'
          : 'HIGH';
  return { thinkingLevel: level, ...(isOff ? {} : { includeThoughts: true }) };
}

/** Google's own fields, at `extra_body.google` as in its OpenAI-compatible API. */
function googleFields({ extra_body: extra }: Fields): Fields {
  const google = isObject(extra) ? extra.google : undefined;
  return isObject(google) ? google : {};
}

function ownThinking(own: Fields): ThinkingConfig {
  const { include_thoughts: include, thinking_budget: budget, thinking_level: level } = own;
  return {
    ...(typeof include === 'boolean' ? { includeThoughts: include } : {}),
    ...(typeof budget === 'number' ? { thinkingBudget: budget } : {}),
    ...(typeof level === 'string'
      ? { thinkingLevel: level.toUpperCase() as ThinkingConfig['thinkingLevel'] }
      : {}),
  };
}

function cachedContent(fields: Fields): Pick<GenerateContentRequest, 'cachedContent'> {
  const name = googleFields(fields).cached_content;
  return typeof name === 'string' ? { cachedContent: name } : {};
}
