export { holysheep } from './holysheep';
export { openai } from './openai';
export { deepseek, groq, mistral, ollama, openrouter } from './openai-compatible';
export type { PresetOptions } from './preset';
