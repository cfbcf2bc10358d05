import { MongoError, MongoNetworkError, MongoServerError, MongoServerSelectionError } from 'mongodb';

/** Codes of a server that is not primary, or no longer, or shutting down. */
const awayCodes = new Set<unknown>([91, 189, 10107, 11600, 11602, 13435, 13436]);

/** Whether an error says that the database is away for now: the same work may succeed later. */
export function isTransient(error: unknown): boolean {
	if (error instanceof MongoNetworkError || error instanceof MongoServerSelectionError) return true;
	if (error instanceof MongoServerError && awayCodes.has(error.code)) return true;
	return error instanceof MongoError && error.hasErrorLabel('RetryableWriteError');
}
