import type { ChangeStreamDocument, Timestamp } from 'mongodb';
import type { ResumeToken } from './watch.ts';

/** A stored document as a change carries it. Its fields are what the database holds: not checked. */
export type StoredDocument = { _id: string };

/**
 * What happened to one document, or to a whole collection (`drop`, `rename`) or database (`dropDatabase`, `invalidate`):
 * then `id` is ''.
 */
export type Change<T extends StoredDocument = StoredDocument> = {
	collection: string;
	operation: 'insert' | 'update' | 'replace' | 'delete' | 'drop' | 'rename' | 'dropDatabase' | 'invalidate';
	id: string;
	/** The document before; null for an insert, and where nobody knows. */
	before: T | null;
	/** The document after; null for a delete, and where it was deleted before it could be read back. */
	after: T | null;
	/** Top-level names of the fields an update changed, each once; null = unknown (`replace`) or everything. */
	updatedFields: string[] | null;
	/** The same as dotted paths, as deep as the database tells; null as above. */
	updatedPaths: string[] | null;
	/** When, in the database's order. Several changes of one transaction share it. */
	clusterTime: { seconds: number; increment: number };
	token: ResumeToken;
};

/** How a document is found that the change does not carry. */
export type ReadBack = {
	present(collection: string, id: string): Promise<StoredDocument | null>;
	deleted(collection: string, id: string): Promise<StoredDocument | null>;
};

/** Reads one event of the stream. Null for kinds nobody asked for. */
export async function readChange(
	event: ChangeStreamDocument,
	readBack: ReadBack,
): Promise<Omit<Change, 'token'> | null> {
	const clusterTime = timeOf(event.clusterTime);
	switch (event.operationType) {
		case 'insert':
			return { ...documentChange(event, clusterTime), after: event.fullDocument as unknown as StoredDocument };
		case 'replace':
			return {
				...documentChange(event, clusterTime),
				before: (event.fullDocumentBeforeChange ?? null) as StoredDocument | null,
				after: event.fullDocument as unknown as StoredDocument,
			};
		case 'update': {
			const change = documentChange(event, clusterTime);
			const after = (event.fullDocument ?? null) as StoredDocument | null;
			const { updatedFields, removedFields, truncatedArrays } = event.updateDescription;
			const paths = [
				...Object.keys(updatedFields ?? {}),
				...(removedFields ?? []),
				...(truncatedArrays ?? []).map(({ field }) => field),
			];
			return {
				...change,
				before: (event.fullDocumentBeforeChange ?? null) as StoredDocument | null,
				// Never older than the change: a later version is announced again by its own change.
				after: after ?? (await readBack.present(change.collection, change.id)),
				updatedFields: [...new Set(paths.map((path) => path.split('.', 1)[0] ?? path))],
				updatedPaths: paths,
			};
		}
		case 'delete': {
			const change = documentChange(event, clusterTime);
			const before = (event.fullDocumentBeforeChange ?? null) as StoredDocument | null;
			return { ...change, before: before ?? (await readBack.deleted(change.collection, change.id)) };
		}
		case 'drop':
		case 'rename':
			return { ...wholeChange(event.operationType, clusterTime), collection: event.ns.coll };
		case 'dropDatabase':
		case 'invalidate':
			return wholeChange(event.operationType, clusterTime);
		case 'create':
		case 'createIndexes':
		case 'dropIndexes':
		case 'modify':
		case 'refineCollectionShardKey':
		case 'reshardCollection':
		case 'shardCollection':
			break;
	}
	return null;
}

function documentChange(
	event: Extract<ChangeStreamDocument, { documentKey: unknown }> & { operationType: string },
	clusterTime: Change['clusterTime'],
): Omit<Change, 'token'> {
	return {
		collection: event.ns.coll,
		operation: event.operationType as Change['operation'],
		id: String((event.documentKey as { _id: unknown })._id),
		before: null,
		after: null,
		updatedFields: null,
		updatedPaths: null,
		clusterTime,
	};
}

function wholeChange(operation: Change['operation'], clusterTime: Change['clusterTime']): Omit<Change, 'token'> {
	return {
		collection: '',
		operation,
		id: '',
		before: null,
		after: null,
		updatedFields: null,
		updatedPaths: null,
		clusterTime,
	};
}

function timeOf(time: Timestamp | undefined): Change['clusterTime'] {
	return { seconds: time?.getHighBitsUnsigned() ?? 0, increment: time?.getLowBitsUnsigned() ?? 0 };
}
