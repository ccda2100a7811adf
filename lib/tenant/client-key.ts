import { isIP, isIPv4 } from 'node:net';
import type { Request } from 'express';

const MAX_ADDRESS = 64;

/**
 * The key of a client's limits, from its address. An IPv6 client commonly owns a whole /56 network, so only the first
 * 56 bits are used. Follows Express's 'trust proxy'.
 */
export function clientKey(req: Request): string {
  const address = (req.ip ?? '').replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
  if (isIPv4(address)) return address;
  return isIP(address) === 6 ? network56(address) : address.slice(0, MAX_ADDRESS) || 'unknown';
}

function network56(address: string): string {
  const [head, tail] = address.split('::') as [string, string?];
  const groups = splitGroups(head);
  if (tail !== undefined) {
    const after = splitGroups(tail);
    // A dotted IPv4 tail stands for two groups.
    const length = after.length + (tail.includes('.') ? 1 : 0);
    groups.push(...new Array<string>(Math.max(0, 8 - groups.length - length)).fill('0'), ...after);
  }
  const network = groups
    .slice(0, 4)
    .map((group, index) => Number.parseInt(group, 16) & (index < 3 ? 0xffff : 0xff00));
  return `${network.map((group) => group.toString(16)).join(':')}::/56`;
}

function splitGroups(text: string): string[] {
  return text === '' ? [] : text.split(':');
}
