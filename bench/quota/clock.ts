import { installVirtualTime } from '../../lib/cli/simulate/engine/virtual-time';

/** The clock of this process. Load it before anything that keeps a clock of its own. */
export const time = installVirtualTime();
