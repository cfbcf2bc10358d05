/** Time as a parameter: tests move it. */
export type Clock = {
	/** Wall clock, ms since 1970. Never decides order. */
	now(): number;
	/** Monotonic ms, for ages and leases. */
	monotonic(): number;
};

/** The process's own clocks. */
export const systemClock: Clock = {
	now: () => Date.now(),
	monotonic: () => performance.now(),
};
