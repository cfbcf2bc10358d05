import type { MongoClient } from 'mongodb';

/** One finished command as its reply describes it. */
export type CommandReport = {
	name: string;
	/** The collection it worked on; '' for commands without one. */
	collection: string;
	documentsWritten: number;
	documentsReturned: number;
	durationMs: number;
	failed: boolean;
};

export type CommandListener = (report: CommandReport) => void;

/** Commands of connection keeping and of cursors' and sessions' ends: nothing a request asked for. */
const housekeeping = new Set(['hello', 'ismaster', 'isMaster', 'ping', 'endSessions', 'saslStart', 'saslContinue']);

/** Tells of every command of a client. Needs `monitorCommands`. */
export function watchCommands(client: MongoClient, listener: CommandListener): void {
	// A reply does not name the collection: it is kept from the start of the command. The driver always ends one.
	const collections = new Map<number, string>();
	client.on('commandStarted', ({ requestId, commandName, command }) => {
		const target: unknown = commandName === 'getMore' ? command['collection'] : command[commandName];
		collections.set(requestId, typeof target === 'string' ? target : '');
	});
	const finish = (requestId: number, name: string, durationMs: number, reply: unknown, failed: boolean): void => {
		const collection = collections.get(requestId) ?? '';
		collections.delete(requestId);
		if (housekeeping.has(name)) return;
		listener({ name, collection, ...documentsOf(name, reply), durationMs, failed });
	};
	client.on('commandSucceeded', (event) => {
		finish(event.requestId, event.commandName, event.duration, event.reply, false);
	});
	client.on('commandFailed', (event) => {
		finish(event.requestId, event.commandName, event.duration, null, true);
	});
}

function documentsOf(name: string, reply: unknown): Pick<CommandReport, 'documentsWritten' | 'documentsReturned'> {
	const body = (typeof reply === 'object' && reply !== null ? reply : {}) as {
		n?: number;
		lastErrorObject?: { n?: number };
		cursor?: { firstBatch?: unknown[]; nextBatch?: unknown[] };
	};
	const isWrite = name === 'insert' || name === 'update' || name === 'delete';
	const written = isWrite ? body.n : body.lastErrorObject?.n;
	return {
		documentsWritten: written ?? 0,
		documentsReturned: (body.cursor?.firstBatch ?? body.cursor?.nextBatch ?? []).length,
	};
}

/**
 * Adds up what a process asks of MongoDB: for metrics and benches.
 *
 * @returns `listener` goes to `connectDatabase`; `read` gives a copy of the totals since the start, by command name too.
 */
export function commandCounters() {
	const byName = new Map<string, number>();
	const totals = { commands: 0, failed: 0, documentsWritten: 0, documentsReturned: 0 };

	return {
		listener(report: CommandReport): void {
			totals.commands += 1;
			if (report.failed) totals.failed += 1;
			totals.documentsWritten += report.documentsWritten;
			totals.documentsReturned += report.documentsReturned;
			byName.set(report.name, (byName.get(report.name) ?? 0) + 1);
		},
		read(): typeof totals & { byName: Record<string, number> } {
			return { ...totals, byName: Object.fromEntries(byName) };
		},
	};
}

export type CommandCounters = ReturnType<typeof commandCounters>;
