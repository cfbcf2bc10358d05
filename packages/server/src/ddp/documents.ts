import { added, changed, removed } from './answers.ts';
import type { OutFrame } from './out-frame.ts';

type Fields = Record<string, unknown>;

/**
 * The documents of real collections that one connection holds: `added` only for one it has not, `changed` and `removed`
 * only for one it has. Streams are no collections.
 *
 * @see realtime contract 2.6
 */
export function documentStore(send: (frame: OutFrame) => void) {
	const held = new Map<string, { fields: Fields; owners: Set<string> }>();
	const keyOf = (collection: string, id: string) => `${collection}\n${id}`;

	function change(collection: string, id: string, before: Fields, after: Fields): void {
		const fields: Fields = {};
		for (const [name, value] of Object.entries(after)) {
			if (value === undefined) continue;
			if (JSON.stringify(before[name]) !== JSON.stringify(value)) fields[name] = value;
		}
		if (Object.keys(fields).length > 0) send(changed(collection, id, fields));
	}

	return {
		/**
		 * Publishes a document for an owner (a subscription's id, or '' for the connection itself). A second owner adds no
		 * second frame; fields that differ are sent as `changed`, never as `cleared`.
		 */
		put(collection: string, id: string, fields: Fields, owner: string): void {
			const key = keyOf(collection, id);
			const present = held.get(key);
			if (present === undefined) {
				held.set(key, { fields, owners: new Set([owner]) });
				send(added(collection, id, fields));
				return;
			}
			present.owners.add(owner);
			change(collection, id, present.fields, fields);
			present.fields = { ...present.fields, ...fields };
		},

		/** Takes an owner's claim away: `removed` when it was the last. */
		drop(collection: string, id: string, owner: string): void {
			const key = keyOf(collection, id);
			const present = held.get(key);
			if (present === undefined || !present.owners.delete(owner) || present.owners.size > 0) return;
			held.delete(key);
			send(removed(collection, id));
		},

		/** Takes every claim of an owner away. */
		dropAll(owner: string): void {
			for (const key of held.keys()) {
				const [collection = '', id = ''] = key.split('\n', 2);
				this.drop(collection, id, owner);
			}
		},

		has(collection: string, id: string): boolean {
			return held.has(keyOf(collection, id));
		},
	};
}

export type DocumentStore = ReturnType<typeof documentStore>;
