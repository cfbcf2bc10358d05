import type { EventKey, Publication } from '@rookery/protocol/events.ts';
import type { Bus, Envelope } from './bus.ts';

/** An event part whose args are these. */
export function direct(args: unknown[]): Publication['parts'][number] {
	return { kind: 'direct', stream: 'notify-room', event: 'e', args };
}

/** A publication that carries a number. */
export function typing(key: EventKey, number: number): Publication {
	return { key, parts: [direct([number])] };
}

/** The number that `typing` put in. */
export function numberOf({ parts }: Envelope): number {
	const [value] = JSON.parse(Buffer.from(parts[0]?.body ?? '').toString('utf8')) as [number];
	return value;
}

/** Collects envelopes; `reach` resolves when so many have come. */
export function listener() {
	const envelopes: Envelope[] = [];
	const waiting: { count: number; resolve: () => void }[] = [];
	return {
		envelopes,
		handler(envelope: Envelope): void {
			envelopes.push(envelope);
			for (const entry of waiting) if (envelopes.length >= entry.count) entry.resolve();
		},
		async reach(count: number): Promise<Envelope[]> {
			if (envelopes.length < count) await new Promise<void>((resolve) => waiting.push({ count, resolve }));
			return envelopes;
		},
	};
}

/** Resolves when the bus tells this the next time. */
export function hears(bus: Bus, wanted: string): Promise<void> {
	return new Promise((resolve) => {
		const stop = bus.onState((event) => {
			if (event !== wanted) return;
			stop();
			resolve();
		});
	});
}

/** Resolves when the bus is in this state. */
export async function reached(bus: Bus, state: Bus['state']): Promise<void> {
	if (bus.state !== state) await hears(bus, state);
}
