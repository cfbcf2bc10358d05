import { coalesced } from '../platform/coalesced.ts';
import type { DdpContext, Session } from './context.ts';

/** A document of a real collection. */
export type PublishedDocument = { collection: string; id: string; fields: Record<string, unknown> };

/** The documents of a publication, in the order in which they are sent. */
export type Publication = (context: DdpContext) => Promise<PublishedDocument[]>;

const loginServicesName = 'meteor.loginServiceConfiguration';
const loginServicesCollection = 'meteor_accounts_loginServiceConfiguration';

/** What is known of the login services of a streamer's workspace. */
type Known = {
	/** How often they changed: a read that began before the last change is repeated. */
	changes: number;
	/** Names of the fields that were published of each since it was last published anew. */
	fields: Map<string, Set<string>>;
};

const known = new WeakMap<DdpContext, Known>();

function knownOf(context: DdpContext): Known {
	let present = known.get(context);
	if (present === undefined) known.set(context, (present = { changes: 0, fields: new Map() }));
	return present;
}

/** How people can log in besides a password. Never older than the last change that was heard. @see realtime contract 4.15.1 */
const loginServiceConfiguration: Publication = async (context) => {
	const state = knownOf(context);
	let services: Awaited<ReturnType<DdpContext['loginServices']>>;
	let changes: number;
	do {
		({ changes } = state);
		services = await context.loginServices();
	} while (changes !== state.changes);
	return services.map(({ _id, ...fields }) => {
		const names = state.fields.get(_id) ?? new Set<string>();
		for (const name of Object.keys(fields)) names.add(name);
		state.fields.set(_id, names);
		return { collection: loginServicesCollection, id: _id, fields };
	});
};

/** Names whose answer is `ready` without documents. */
const empty = [
	// There is no bundle of Meteor's to announce. @see realtime contract 4.15.2
	'meteor_autoupdate_clientVersions',
	// Old clients still ask for these and wait. @see realtime contract 4.15.4
	'activeUsers',
	'userData',
	'roles',
	'adminRooms',
	'subscription',
	'room',
	'livechat:agents',
];

/**
 * The classic publications by their names.
 *
 * @see realtime contract 4.15
 */
export const publications: ReadonlyMap<string, Publication> = new Map([
	[loginServicesName, loginServiceConfiguration],
	...empty.map((name): [string, Publication] => [name, async () => []]),
]);

/** Pause before another try when a read failed, in ms. */
const retryMs = 1_000;

/**
 * Keeps what publications have sent true.
 *
 * @see realtime contract 4.15.1
 */
export function livePublications(context: DdpContext) {
	const refresh = coalesced(async () => {
		const documents = await loginServiceConfiguration(context);
		const shrunk = shrunkOf(knownOf(context), documents);
		for (const session of context.sessions) {
			for (const sub of session.subs.values()) {
				// One that is still being answered reads again by itself.
				if (sub.name === loginServicesName && sub.state === 'active') update(session, sub.id, documents, shrunk);
			}
		}
	});

	function run(): void {
		refresh().catch((error: unknown) => {
			context.log.warn({ err: error }, 'login services could not be read: another try follows');
			setTimeout(run, retryMs).unref();
		});
	}

	return {
		/** A login service was added, changed or removed. */
		loginServicesChanged(): void {
			knownOf(context).changes += 1;
			run();
		},
	};
}

/** Documents that have lost a field. What is no more is forgotten. */
function shrunkOf({ fields }: Known, documents: PublishedDocument[]): Set<string> {
	const shrunk = new Set<string>();
	const ids = new Set(documents.map(({ id }) => id));
	for (const id of fields.keys()) if (!ids.has(id)) fields.delete(id);
	for (const document of documents) {
		const names = new Set(Object.keys(document.fields));
		if ([...(fields.get(document.id) ?? [])].some((name) => !names.has(name))) shrunk.add(document.id);
		fields.set(document.id, names);
	}
	return shrunk;
}

/** @param owner Id of the sub. */
function update(
	{ documents: store }: Session,
	owner: string,
	documents: PublishedDocument[],
	shrunk: Set<string>,
): void {
	const ids = new Set(documents.map(({ id }) => id));
	for (const id of store.idsOf(loginServicesCollection, owner)) {
		// A field is taken away with its document: `put` only ever adds and changes.
		if (!ids.has(id) || shrunk.has(id)) store.drop(loginServicesCollection, id, owner);
	}
	for (const { collection, id, fields } of documents) store.put(collection, id, fields, owner);
}
