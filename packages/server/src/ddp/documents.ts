import { added, changed, removed } from './answers.ts';
import type { OutFrame } from './out-frame.ts';

type Fields = Record<string, unknown>;
type Document = { collection: string; id: string; fields: Fields; owners: string[] };

/**
 * The documents of real collections that one connection holds: `added` only for one it has not, `changed` and `removed`
 * only for one it has. Streams are no collections.
 *
 * @see realtime contract 2.6
 */
export class DocumentStore {
	private readonly receiver: { send(frame: OutFrame, kind: 'own'): void };
	/** Few: they are searched, not indexed. */
	private held: Document[] = [];

	constructor(receiver: { send(frame: OutFrame, kind: 'own'): void }) {
		this.receiver = receiver;
	}

	private find(collection: string, id: string): Document | undefined {
		return this.held.find((document) => document.id === id && document.collection === collection);
	}

	/**
	 * Publishes a document for an owner (a subscription's id, or '' for the connection itself). A second owner adds no
	 * second frame; fields that differ are sent as `changed`, never as `cleared`.
	 */
	put(collection: string, id: string, fields: Fields, owner: string): void {
		const present = this.find(collection, id);
		if (present === undefined) {
			this.held.push({ collection, id, fields, owners: [owner] });
			this.receiver.send(added(collection, id, fields), 'own');
			return;
		}
		if (!present.owners.includes(owner)) present.owners.push(owner);
		const difference = differenceOf(present.fields, fields);
		if (Object.keys(difference).length > 0) this.receiver.send(changed(collection, id, difference), 'own');
		present.fields = { ...present.fields, ...fields };
	}

	/** Takes an owner's claim away: `removed` when it was the last. */
	drop(collection: string, id: string, owner: string): void {
		const present = this.find(collection, id);
		if (present === undefined || !present.owners.includes(owner)) return;
		present.owners = present.owners.filter((other) => other !== owner);
		if (present.owners.length > 0) return;
		this.held = this.held.filter((document) => document !== present);
		this.receiver.send(removed(collection, id), 'own');
	}

	/** Takes every claim of an owner away. */
	dropAll(owner: string): void {
		for (const { collection, id } of this.held) this.drop(collection, id, owner);
	}

	has(collection: string, id: string): boolean {
		return this.find(collection, id) !== undefined;
	}

	/** The ids of a collection that an owner has published. */
	idsOf(collection: string, owner: string): string[] {
		const own = this.held.filter((document) => document.collection === collection && document.owners.includes(owner));
		return own.map(({ id }) => id);
	}

	/**
	 * Sends every document as if it were new: to a client that has emptied its collections.
	 *
	 * @param sent What it has been sent since: that is held here from now on as well.
	 */
	resend(sent: DocumentStore): void {
		for (const { collection, id, fields } of this.held) {
			if (!sent.has(collection, id)) this.receiver.send(added(collection, id, fields), 'own');
		}
		for (const document of sent.held) {
			const present = this.find(document.collection, document.id);
			if (present === undefined) this.held.push(document);
			else present.owners = [...new Set([...present.owners, ...document.owners])];
		}
	}
}

function differenceOf(before: Fields, after: Fields): Fields {
	const fields: Fields = {};
	for (const [name, value] of Object.entries(after)) {
		if (value === undefined) continue;
		if (JSON.stringify(before[name]) !== JSON.stringify(value)) fields[name] = value;
	}
	return fields;
}
