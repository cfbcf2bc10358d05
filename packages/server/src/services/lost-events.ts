import type { Bus, Envelope } from '../bus/bus.ts';

/**
 * Calls whenever events may have been lost for good: the bus came back, had a gap, or the hub missed changes (`resync`).
 * Whoever keeps something current by events then reads it anew.
 *
 * @returns Ends it.
 */
export async function onLostEvents(bus: Bus, run: () => void): Promise<() => void> {
	const unlisten = bus.onState((event) => {
		if (event === 'connected' || event === 'gap') run();
	});
	const hear = ({ parts }: Envelope): void => {
		if (parts.some(({ header }) => header.kind === 'record' && header.record === 'resync')) run();
	};
	const unsubscribe = await bus.subscribe('all:hub', hear).catch((error: unknown) => {
		unlisten();
		throw error;
	});
	return () => {
		unlisten();
		unsubscribe();
	};
}
