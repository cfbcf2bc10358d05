import { setTimeout as pause } from 'node:timers/promises';
import { MongoServerError, type ChangeStream, type ChangeStreamDocument, type Db, type Document } from 'mongodb';
import { backoffMs } from '../platform/retry.ts';
import { readChange, type Change, type ReadBack } from './watch-change.ts';

/** Where a change stream stands: opaque, for `resumeAfter`. */
export type ResumeToken = { readonly [key: string]: unknown };

export type WatchOptions = {
	/** Whose changes are wanted. */
	collections: readonly string[];
	/** The stream goes on behind this token; null = it begins now. */
	resumeAfter: ResumeToken | null;
	/** Ends the stream, without an error. */
	signal: AbortSignal;
	/** Hears where the stream stands when it has begun and whenever nothing new is there. */
	onIdle?: (token: ResumeToken) => void;
	/** Hears of each failure after which the stream is opened again. */
	onRetry?: (error: Error, attempt: number) => void;
};

/** The database no longer has, or never had, what came after the token: changes were missed. */
export class HistoryLostError extends Error {
	override name = 'HistoryLostError';
}

/** Codes that say that going on from this token is impossible for good. */
const lostCodes: ReadonlySet<unknown> = new Set([
	9, // FailedToParse: the token is damaged
	15, // Overflow: likewise
	136, // CappedPositionLost
	260, // InvalidResumeToken
	280, // ChangeStreamFatalError
	286, // ChangeStreamHistoryLost
]);

/** A change with the documents before and after it does not fit into one answer. */
const tooLargeCode = 10_334;

/** The server answers an idle stream this often: also the longest time that ending it takes. */
const maxAwaitTimeMS = 1_000;

/**
 * The changes of some collections of the database, in commit order, from one change stream.
 *
 * Documents before and after a change are those of exactly this version where the collection keeps them
 * (`changeStreamPreAndPostImages`); where it does not, or they have expired, the present document is read back, and a
 * deleted one is looked up in the trash. Failures other than lost history are tried again for ever, at most 5 s apart.
 *
 * @throws HistoryLostError
 * @see architecture 3, "Hub"
 */
export async function* watchDatabase(db: Db, options: WatchOptions): AsyncGenerator<Change> {
	const { signal, onRetry } = options;
	let token = options.resumeAfter;
	let withImages = true;
	for (let attempt = 1; !signal.aborted; attempt++) {
		try {
			for await (const step of readStream(db, { ...options, resumeAfter: token }, withImages)) {
				attempt = 1;
				({ token } = step);
				if (step.change === null) continue;
				yield step.change;
				// Only the one large change is read without images.
				if (!withImages) break;
			}
			withImages = true;
		} catch (error) {
			if (signal.aborted) return;
			if (!(error instanceof Error)) throw error;
			if (error instanceof MongoServerError && lostCodes.has(error.code)) {
				throw new HistoryLostError(error.message, { cause: error });
			}
			withImages = !(error instanceof MongoServerError && error.code === tooLargeCode);
			onRetry?.(error, attempt);
			await pause(backoffMs(attempt), undefined, { signal }).catch(() => undefined);
		}
	}
}

type Step = { change: Change | null; token: ResumeToken };

/** One opening of the stream, up to its first error or the signal. */
async function* readStream(db: Db, options: WatchOptions, withImages: boolean): AsyncGenerator<Step> {
	const { signal, onIdle } = options;
	const readBack = readBackFrom(db);
	const stream = db.watch(pipelineOf(options.collections), {
		...(options.resumeAfter === null ? {} : { startAfter: options.resumeAfter }),
		...(withImages ? { fullDocument: 'whenAvailable', fullDocumentBeforeChange: 'whenAvailable' } : {}),
		maxAwaitTimeMS,
	});
	const close = (): void => void stream.close().catch(() => undefined);
	signal.addEventListener('abort', close, { once: true });
	try {
		while (!signal.aborted) {
			const event = await stream.tryNext();
			const token = tokenOf(stream, event);
			if (event === null) {
				if (token === null) continue;
				onIdle?.(token);
				yield { change: null, token };
				continue;
			}
			const change = await readChange(event, readBack);
			if (token !== null) yield { change: change === null ? null : { ...change, token }, token };
			// The server has ended the cursor: a new one begins behind this event.
			if (event.operationType === 'invalidate') return;
		}
	} finally {
		signal.removeEventListener('abort', close);
		await stream.close().catch(() => undefined);
	}
}

function tokenOf(stream: ChangeStream, event: ChangeStreamDocument | null): ResumeToken | null {
	const token: unknown = event === null ? stream.resumeToken : event._id;
	return typeof token === 'object' && token !== null ? (token as ResumeToken) : null;
}

function pipelineOf(collections: readonly string[]): Document[] {
	return [
		{
			$match: {
				$or: [
					{ 'ns.coll': { $in: collections } },
					{ 'to.coll': { $in: collections } },
					{ operationType: { $in: ['dropDatabase', 'invalidate'] } },
				],
			},
		},
	];
}

/** The present document, or the deleted one as the trash keeps it. */
function readBackFrom(db: Db): ReadBack {
	return {
		present: (collection, id) => db.collection<{ _id: string }>(collection).findOne({ _id: id }),
		async deleted(collection, id) {
			const names = [collection, collection.replace(/^rocketchat_/, '')];
			const found = await db
				.collection<{ _id: string; __collection__: string; _deletedAt: Date }>('rocketchat__trash')
				.findOne({ _id: id, __collection__: { $in: names } });
			if (found === null) return null;
			const { _deletedAt: _, __collection__: __, ...document } = found;
			return document;
		},
	};
}
