/** Hosts of the providers' own servers that have the Responses API, by provider name. */
const HOSTS: Readonly<Record<string, RegExp>> = {
  openai: /(?:^|\.)api\.openai\.com$/,
  azure: /\.(?:openai\.azure\.com|services\.ai\.azure\.com|cognitiveservices\.azure\.com)$/,
};

/**
 * Whether an endpoint has the capability `responses` by default: true for OpenAI's and Azure's own servers, because
 * other servers rarely have the Responses API.
 */
export function hasResponsesApi(provider: string, baseURL: string): boolean {
  const hosts = Object.hasOwn(HOSTS, provider) ? HOSTS[provider] : undefined;
  try {
    return hosts?.test(new URL(baseURL).hostname) === true;
  } catch {
    return false;
  }
}
