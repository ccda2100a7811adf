import { installVirtualTime } from '../../lib/cli/simulate/engine/virtual-time';

/** Virtual time of this process. Load this module before any that captures a clock. */
export const time = installVirtualTime();
