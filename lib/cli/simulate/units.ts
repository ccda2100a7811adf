export function percent(value: number): string {
  return `${value.toFixed(1)} %`;
}

/** Formats a latency; '-' for NaN, which it is if no call was answered. */
export function seconds(ms: number): string {
  return Number.isNaN(ms) ? '-' : `${(ms / 1000).toFixed(1)} s`;
}

export function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}
