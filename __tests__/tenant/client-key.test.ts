import type { Request } from 'express';
import fc from 'fast-check';
import { clientKey } from '../../lib/tenant/client-key';

function keyOf(ip: string | undefined): string {
  return clientKey({ ip } as unknown as Request);
}

describe('clientKey()', () => {
  it.each([
    ['203.0.113.9', '203.0.113.9'],
    ['::ffff:203.0.113.9', '203.0.113.9'],
    ['2001:db8:1:2ff:3:4:5:6', '2001:db8:1:200::/56'],
    ['2001:db8:1:234::1', '2001:db8:1:200::/56'],
    ['2001:db8::1', '2001:db8:0:0::/56'],
    ['2001:DB8::', '2001:db8:0:0::/56'],
    ['::1', '0:0:0:0::/56'],
    ['::', '0:0:0:0::/56'],
    ['1:2:3::4:5:6:7', '1:2:3:0::/56'],
    ['::2:3:4:5:6:7:8', '0:2:3:0::/56'],
    ['fe80::1%eth0', 'fe80:0:0:0::/56'],
    ['64:ff9b::203.0.113.9', '64:ff9b:0:0::/56'],
    [undefined, 'unknown'],
    ['', 'unknown'],
  ])('maps the address %s to the key %s', (ip, key) => {
    expect(keyOf(ip)).toBe(key);
  });

  it('gives all addresses of one /56 network the same key, in any notation', () => {
    fc.assert(
      fc.property(fc.ipV6(), (ip) => {
        const key = keyOf(ip);
        expect(key.length).toBeLessThanOrEqual(64);
        if (!key.endsWith('::/56')) return;
        expect(keyOf(key.replace('/56', ''))).toBe(key);
      }),
    );
  });

  it('limits the length of a key that a client can choose', () => {
    expect(keyOf('x'.repeat(10_000))).toHaveLength(64);
  });
});
