import type { BusState } from './bus.ts';
import { unavailable } from './call-wire.ts';

export type BusEvent = BusState | 'gap';

/** The state of a bus, who wants to hear of it, and who waits for a connection. */
export function busState(initial: BusState) {
	let listeners: ((event: BusEvent) => void)[] = [];
	let state = initial;

	/** Replaces the list: one that is being told goes on unchanged. */
	function onState(listener: (event: BusEvent) => void): () => void {
		const own = (event: BusEvent): void => listener(event);
		listeners = [...listeners, own];
		return () => {
			listeners = listeners.filter((other) => other !== own);
		};
	}

	function tell(event: BusEvent): void {
		for (const listener of listeners) listener(event);
	}

	return {
		get state(): BusState {
			return state;
		},
		tell,
		moveTo(next: BusState): void {
			if (next === state || state === 'closed') return;
			state = next;
			tell(next);
		},
		onState,
		/** @throws ClientError `error-service-unavailable` */
		requireConnection(): void {
			if (state === 'closed') throw unavailable('The bus is closed');
			if (state !== 'connected') throw unavailable('The bus is not connected');
		},
		/** Resolves when the bus is connected, at once if it is. Rejects when it is closed. */
		connected(): Promise<void> {
			if (state === 'connected') return Promise.resolve();
			return new Promise((resolve, reject) => {
				if (state === 'closed') return reject(unavailable('The bus is closed'));
				const stop = onState((event) => {
					if (event === 'connected') resolve();
					else if (event === 'closed') reject(unavailable('The bus is closed'));
					else return;
					stop();
				});
			});
		},
	};
}

export type BusStateBox = ReturnType<typeof busState>;
