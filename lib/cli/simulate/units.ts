export function percent(value: number): string {
  return `${value.toFixed(1)} %`;
}

/** Latencies are NaN if nothing was answered. */
export function seconds(ms: number): string {
  return Number.isNaN(ms) ? '-' : `${(ms / 1000).toFixed(1)} s`;
}

export function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}
