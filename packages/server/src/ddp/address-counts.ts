import type { Session } from './context.ts';

/** What a socket counts as for its address. A logged-in one counts for its user instead. */
type Kind = 'opening' | 'anonymous';

/** How many sockets without a login each address has. */
export function addressCounts() {
	const counts = new Map<string, Record<Kind, number>>();
	const counted = new WeakMap<Session, Kind>();

	function add(address: string, kind: Kind, step: 1 | -1): void {
		const count = counts.get(address) ?? { opening: 0, anonymous: 0 };
		count[kind] += step;
		if (count.opening + count.anonymous === 0) counts.delete(address);
		else counts.set(address, count);
	}

	return {
		/** To be called after each change of a session's state or identity. */
		update(session: Session): void {
			const { clientAddress } = session.socket.info;
			const before = counted.get(session);
			const now = kindOf(session);
			if (before === now) return;
			if (before !== undefined) add(clientAddress, before, -1);
			if (now === undefined) {
				counted.delete(session);
			} else {
				add(clientAddress, now, 1);
				counted.set(session, now);
			}
		},
		/** `opening`: not connected yet. `anonymous`: no login, those included. */
		of(address: string): Record<Kind, number> {
			const { opening, anonymous } = counts.get(address) ?? { opening: 0, anonymous: 0 };
			return { opening, anonymous: anonymous + opening };
		},
	};
}

export type AddressCounts = ReturnType<typeof addressCounts>;

function kindOf({ state, actor }: Session): Kind | undefined {
	if (state === 'closed' || state === 'detached' || actor !== null) return undefined;
	return state === 'opening' ? 'opening' : 'anonymous';
}
