import { z } from 'zod';
import { ClientError } from '@rookery/protocol/errors.ts';
import { readDate } from './list-query.ts';
import { qInt, qText } from './query.ts';
import { route } from './route.ts';

type SyncQuery = {
	roomId?: string | undefined;
	lastUpdate?: string | undefined;
	type?: string | undefined;
	next?: string | undefined;
	previous?: string | undefined;
	count?: number | undefined;
};

type Sync =
	| { rid: string; since: Date }
	| { rid: string; type: 'UPDATED' | 'DELETED'; next?: number; previous?: number; count?: number };

/** `chat.syncMessages`: what changed since a date, or page by page from a cursor. */
export const chatSyncMessages = route({
	get: 'chat.syncMessages',
	summary: 'Changes of the messages of a room',
	auth: 'user',
	query: z.object({
		roomId: qText.optional(),
		lastUpdate: qText.optional(),
		type: qText.optional(),
		next: qText.optional(),
		previous: qText.optional(),
		count: qInt().optional(),
	}),
	run: async ({ actor, query, services }) => {
		const sync = readSync(query);
		if ('since' in sync) return { result: await services.messages.changedSince(actor, sync.rid, sync.since) };
		return { result: await services.messages.changedPage(actor, sync) };
	},
});

const invalidDate: Parameters<typeof readDate>[1] = [
	'error-lastUpdate-param-invalid',
	'The "lastUpdate" query parameter must be a valid date',
];
const invalidCursor: Parameters<typeof readDate>[1] = ['error-invalid-params', 'The cursor must be a time in ms'];

/** @see REST endpoints 6, `chat.syncMessages` */
function readSync({ roomId, lastUpdate, type, next, previous, count }: SyncQuery): Sync {
	if (roomId === undefined)
		throw new ClientError('error-param-required', 'The required "roomId" query param is missing');
	if (type === undefined && lastUpdate === undefined) {
		const reason = 'The "type" or "lastUpdate" parameters must be provided';
		throw new ClientError('error-param-required', reason);
	}
	const hasCursor = next !== undefined || previous !== undefined;
	if (lastUpdate !== undefined && (hasCursor || type !== undefined)) {
		throw new ClientError(
			'error-cursor-and-lastUpdate-conflict',
			'The attributes "next", "previous" and "lastUpdate" cannot be used together',
		);
	}
	if (lastUpdate !== undefined) return { rid: roomId, since: readDate(lastUpdate, invalidDate) };
	if (type !== 'UPDATED' && type !== 'DELETED') {
		throw new ClientError(
			'error-type-param-not-supported',
			'The "type" parameter must be either "UPDATED" or "DELETED"',
		);
	}
	if (next !== undefined && previous !== undefined) {
		throw new ClientError('error-cursor-conflict', 'You cannot provide both "next" and "previous" parameters');
	}
	return {
		rid: roomId,
		type,
		...(next === undefined ? {} : { next: timeOf(next) }),
		...(previous === undefined ? {} : { previous: timeOf(previous) }),
		...(count === undefined ? {} : { count }),
		...(hasCursor ? {} : { next: 0 }),
	};
}

function timeOf(text: string): number {
	return /^\d{1,15}$/.test(text) ? Number(text) : readDate(text, invalidCursor).getTime();
}
