/**
 * Hashes a text to an evenly distributed number of at least 0 and below 1, by FNV-1a with the finalizer of MurmurHash3,
 * because FNV alone mixes the upper bits of short texts badly.
 */
export function hashShare(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
