import type { Tally } from './customers';
import { type Outcomes, Stage, type StageOptions } from './stage';

export interface RunOptions extends StageOptions {
  /** Called once the page can be opened. */
  onOpen?: (url: string) => void;
  /** Called every few seconds. */
  onProgress?: (progress: Progress) => void;
  progressEverySeconds?: number;
}

export interface Progress {
  second: number;
  balanced: Tally;
  roundRobin: Tally;
  oneKey: Tally;
  /** Active faults at the providers of the shops with several keys. */
  faults: string[];
}

export interface SaleRun extends Outcomes {
  /** The shops, which stay open until `close()`. */
  stage: Stage;
  close(): Promise<void>;
}

/** Opens the shops and runs one sale in all of them. */
export async function runSale(options: RunOptions): Promise<SaleRun> {
  const { onProgress, onOpen, speed = 1, progressEverySeconds = 3 } = options;
  const stage = await Stage.open(options);
  const reportProgress = () =>
    onProgress?.({
      second: stage.progress.second,
      balanced: stage.tally('balanced'),
      roundRobin: stage.tally('roundRobin'),
      oneKey: stage.tally('oneKey'),
      faults: stage.faults.active.map(({ provider, kind }) => `${provider} ${kind}`),
    });
  const ticker = setInterval(reportProgress, (progressEverySeconds * 1000) / speed);
  try {
    onOpen?.(stage.url);
    await stage.play();
    return { ...(await stage.outcomes()), stage, close: () => stage.close() };
  } catch (error) {
    await stage.close();
    throw error;
  } finally {
    clearInterval(ticker);
  }
}
