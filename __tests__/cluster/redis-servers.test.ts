import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Balancer, type BalancerConfig, createBalancer } from 'express-ai-balancer';
import { requireExclusiveMachine } from '../helpers/exclusive-machine';
import { until } from '../helpers/provider';
import { requires } from '../helpers/requires';
import { ClusterRig, freePort, type ProviderProcess } from './harness';
import { killAndWait, spawnGuarded } from './harness/process-guard';

requireExclusiveMachine();

const rig = new ClusterRig();
const redisTests = requires('redis-server');
const folder = mkdtempSync(join(tmpdir(), 'ai-balancer-servers-'));
const balancers: Balancer[] = [];
const BODY = { model: 'gpt-4o', messages: [{ role: 'user' as const, content: 'Hello' }] };

afterEach(async () => {
  await Promise.all(balancers.splice(0).map((balancer) => balancer.close()));
  await rig.close();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function start(provider: ProviderProcess, redis: NonNullable<BalancerConfig['cluster']>['redis']) {
  const warnings: string[] = [];
  const log = (_fields: object, message: string) => void warnings.push(message);
  const balancer = createBalancer({
    endpoints: [provider.endpoint({ rpm: 600, tpm: 60_000, rpd: 5_000 })],
    cluster: { redis },
    logger: { debug: () => undefined, info: () => undefined, warn: log, error: log },
  });
  balancers.push(balancer);
  return { balancer, warnings, mode: () => balancer.stats().cluster?.mode };
}

redisTests.describe('Cluster over TLS:', () => {
  it('rediss:// works with a trusted certificate, and Redis counts as unavailable with another', async () => {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const names = 'subjectAltName=DNS:localhost,IP:127.0.0.1';
    const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'];
    execFileSync('openssl', [...request, '-addext', names, '-keyout', key, '-out', cert], {
      stdio: 'ignore',
    });
    const tlsPort = await freePort();
    const files = ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', cert];
    const args = ['--tls-port', `${tlsPort}`, ...files, '--tls-auth-clients', 'no'];
    const [redis, provider] = await Promise.all([rig.redis({ args }), rig.provider()]);

    const trusting = start(provider, { host: '127.0.0.1', port: tlsPort, tls: { ca: readFileSync(cert) } });
    await trusting.balancer.ready();
    await until(() => trusting.mode() === 'shared');
    await trusting.balancer.chat(BODY);
    expect(await redis.keys('b_ai-balancer:*')).not.toEqual([]);

    const url = `rediss://127.0.0.1:${tlsPort}`;
    const distrusting = start(provider, url);
    await distrusting.balancer.ready();
    expect(distrusting.mode()).toBe('local-share');
    expect(distrusting.warnings.join()).toMatch(/Redis is unavailable/);

    process.env.NODE_EXTRA_CA_CERTS = cert;
    try {
      const member = await rig.member({
        config: { endpoints: [provider.endpoint()], cluster: { redis: url } },
      });
      expect((await member.stats()).cluster?.mode).toBe('shared');
    } finally {
      delete process.env.NODE_EXTRA_CA_CERTS;
    }
  });
});

redisTests.describe('Cluster with Redis Sentinel:', () => {
  it('the balancer moves to the new master when the old one is killed, and serves calls in the meantime', async () => {
    const [master, provider] = await Promise.all([rig.redis(), rig.provider()]);
    const replica = await rig.redis({ args: ['--replicaof', '127.0.0.1', `${master.port}`] });
    const port = await freePort();
    const config = join(folder, 'sentinel.conf');
    writeFileSync(
      config,
      [
        `port ${port}`,
        'bind 127.0.0.1',
        `dir ${folder}`,
        `sentinel monitor shop 127.0.0.1 ${master.port} 1`,
        'sentinel down-after-milliseconds shop 500',
        'sentinel failover-timeout shop 2000',
      ].join('\n'),
    );
    const sentinel = spawnGuarded(redisTests.path, [config, '--sentinel'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let log = '';
    sentinel.stdout?.on('data', (text: Buffer) => {
      log += text.toString();
    });
    try {
      await until(() => log.includes('+slave'));
      const { balancer, mode } = start(provider, { sentinels: [{ host: '127.0.0.1', port }], name: 'shop' });
      await balancer.ready();
      await until(() => mode() === 'shared');
      await balancer.chat(BODY);
      await master.kill9();
      await until(() => mode() === 'local-share');
      await balancer.chat(BODY);
      await until(() => mode() === 'shared');
      await balancer.chat(BODY);
      await until(() => log.includes('+switch-master'));
      const keys = (await replica.keys('ai-balancer:*')).map(({ key }) => key);
      expect(keys).toContain('ai-balancer:{members}');
    } finally {
      await killAndWait(sentinel);
    }
  });
});

redisTests.describe('Cluster with a restricted user:', () => {
  it('the balancer needs only the commands, keys and channels that docs/cluster.md lists', async () => {
    const document = readFileSync(join(__dirname, '../../docs/cluster.md'), 'utf8');
    const rules = /ACL SETUSER (\S+) ([^`]+?)\n```/.exec(document.replaceAll('\\\n', ' '))?.[2] ?? '';
    expect(rules).toContain('+evalsha');
    const args = ['--user', 'balancer', ...rules.trim().split(/\s+/)];
    const [redis, provider] = await Promise.all([rig.redis({ args }), rig.provider()]);
    const url = `redis://balancer:secret@127.0.0.1:${redis.port}`;
    const guarded = { endpoints: [provider.endpoint({ rpm: 600, tpm: 60_000, rpd: 5_000 })] };
    const [one, other] = await rig.members(2, { ...guarded, cluster: { redis: url } });
    const { balancer, warnings, mode } = start(provider, url);
    await balancer.ready();
    await until(() => mode() === 'shared');
    await Promise.all([one, other].map((member) => member!.load({ perSecond: 10, forMs: 2_000 })));
    // Health reports and the lock of a probe.
    await provider.provider.fault({ kind: 'error', status: 500, calls: 12 });
    for (let n = 0; n < 8; n++) await balancer.chat(BODY, { timeoutMs: 2_000 }).catch(() => undefined);
    await until(() => balancer.stats().endpoints[0]?.state === 'closed');
    const denied = await redis.withClient((client) => client.call('ACL', 'LOG'));
    expect(denied).toEqual([]);
    expect(warnings.filter((line) => /Redis/.test(line))).toEqual([]);
    expect((await other!.stats()).cluster).toEqual({ mode: 'shared', members: 3 });
  });
});
