export { deepseek } from './deepseek';
export { groq } from './groq';
export { holysheep } from './holysheep';
export { mistral } from './mistral';
export { ollama } from './ollama';
export { openai } from './openai';
export { openrouter } from './openrouter';
export type { PresetOptions } from './preset';
