import type { FeatureSupport } from '../translation/features';

/** What the Messages API does with each feature. */
export const ANTHROPIC_SUPPORT: FeatureSupport = {
  chat: {
    'images (URL)': 'sent',
    'images (base64)': 'sent',
    'image detail': 'dropped',
    'files (base64)': 'sent',
    'files (file_id)': 'refused',
    'audio input': 'refused',
    'audio output': 'refused',
    'other content parts': 'refused',
    tools: 'sent',
    'custom tools': 'refused',
    'strict tools': 'dropped',
    tool_choice: 'sent',
    'parallel_tool_calls: false': 'sent',
    functions: 'refused',
    'response_format: json_schema': 'sent',
    'response_format: json_object': 'sent',
    max_completion_tokens: 'sent',
    temperature: 'sent',
    top_p: 'sent',
    stop: 'sent',
    n: 'refused',
    seed: 'dropped',
    frequency_penalty: 'dropped',
    presence_penalty: 'dropped',
    logit_bias: 'refused',
    logprobs: 'refused',
    reasoning_effort: 'sent',
    verbosity: 'dropped',
    cache_control: 'sent',
    user: 'sent',
    service_tier: 'dropped',
    prediction: 'ignored',
    web_search_options: 'refused',
    metadata: 'ignored',
    store: 'ignored',
    prompt_cache_key: 'ignored',
  },
};

/** Anthropic's own fields that a chat body may contain. */
export const OWN_FIELDS: readonly string[] = ['thinking', 'top_k'];
