import { join } from 'node:path';
import { runFixture } from '../helpers/run-fixture';

const fixture = (name: string) => runFixture(join(__dirname, 'fixtures', name));

describe('A process with a balancer', () => {
  it('has no unhandled rejection if only withRoute(), pipe() or the call itself is awaited', async () => {
    const { code, stdout, stderr } = await fixture('half-awaited.ts');
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(stdout.split('\n').map((line) => line.split(' ')[0])).toEqual([
      'withRoute',
      'stream.withRoute',
      'stream',
      'then',
      'finally',
      'embeddings',
      'bad',
      'whole.pipe',
    ]);
  });

  it('exits after close(), whatever was in flight', async () => {
    const { code, stdout, stderr } = await fixture('close.ts');
    expect(stderr).toBe('');
    const [, afterMs] = /^ERR_AI_CLOSED closed, exits (\d+) ms later$/.exec(stdout) ?? [];
    expect(code).toBe(0);
    // The shortest timer that could keep it alive is that of an idle connection, 4 s.
    expect(Number(afterMs)).toBeLessThan(3_500);
  });
});
