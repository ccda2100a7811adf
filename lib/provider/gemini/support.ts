import type { FeatureSupport } from '../translation/features';

/** What the Gemini API does with each feature. */
export const GEMINI_SUPPORT: FeatureSupport = {
  chat: {
    'images (URL)': 'sent',
    'images (base64)': 'sent',
    'image detail': 'dropped',
    'files (base64)': 'sent',
    'files (file_id)': 'refused',
    'audio input': 'sent',
    'audio output': 'refused',
    'other content parts': 'refused',
    tools: 'sent',
    'custom tools': 'refused',
    'strict tools': 'dropped',
    tool_choice: 'sent',
    'parallel_tool_calls: false': 'refused',
    functions: 'refused',
    'response_format: json_schema': 'sent',
    'response_format: json_object': 'sent',
    max_completion_tokens: 'sent',
    temperature: 'sent',
    top_p: 'sent',
    stop: 'sent',
    n: 'sent',
    seed: 'sent',
    frequency_penalty: 'sent',
    presence_penalty: 'sent',
    logit_bias: 'refused',
    logprobs: 'refused',
    reasoning_effort: 'sent',
    verbosity: 'dropped',
    cache_control: 'ignored',
    user: 'ignored',
    service_tier: 'dropped',
    prediction: 'ignored',
    web_search_options: 'refused',
    metadata: 'ignored',
    store: 'ignored',
    prompt_cache_key: 'ignored',
  },
  embeddings: {
    dimensions: 'sent',
    'encoding_format: base64': 'sent',
    'token ids': 'refused',
  },
};

/** Google's own fields that a chat body may contain. */
export const OWN_FIELDS: readonly string[] = ['extra_body', 'top_k'];
