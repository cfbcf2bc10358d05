import type { User, UserId } from '@rookery/protocol/records.ts';
import type { InitialUserRepository } from '../repositories/initial-users.ts';
import type { NewUserRecord, UserRepository } from '../repositories/users.ts';
import { neverSeen } from './accounts-creation.ts';

/** The document of `INITIAL_USER`: JSON of a user with an `_id`. */
export type InitialUser = Record<string, unknown>;

/** Fields of users that are dates, at whatever depth. */
const dateFields = ['when', 'expire', 'changedAt', 'lastLogin'];

const usual = { type: 'user', roles: ['user'], active: true, ...neverSeen, services: {} } satisfies Partial<User>;

/**
 * Stores the user whom the environment describes, unless there is one of this id. He joins the default rooms later, in
 * `joinInitialUser`.
 *
 * @returns Why he was not stored, as lines for the operator.
 * @see data model, 13.2
 */
export async function storeInitialUser(
	{ users }: { users: Pick<UserRepository, 'findById' | 'insert'> },
	document: InitialUser | null,
): Promise<string[]> {
	if (document === null || (await users.findById(String(document['_id']))) !== null) return [];
	const wrong = wrongField(document);
	if (wrong !== null) return [`INITIAL_USER: ${wrong} has another shape than in a user document: nobody was inserted`];
	const outcome = await users.insert(recordOf(document), { joinsLater: true });
	if (outcome === 'inserted') return [];
	const taken = outcome === 'username-taken' ? 'username' : 'e-mail address';
	return [`INITIAL_USER: its ${taken} belongs to somebody else: nobody was inserted`];
}

/** Puts the stored initial user into the default rooms, once in his life. Several processes may do it at once. */
export async function joinInitialUser(
	deps: {
		initialUsers: Pick<InitialUserRepository, 'joinsLater' | 'hasJoined'>;
		joinDefaultRooms: (uid: UserId, silenced: boolean) => Promise<void>;
	},
	document: InitialUser | null,
): Promise<void> {
	if (document === null) return;
	const uid = String(document['_id']);
	if (!(await deps.initialUsers.joinsLater(uid))) return;
	await deps.joinDefaultRooms(uid, true);
	await deps.initialUsers.hasJoined(uid);
}

/** The fields that decide about names and rights must be what they are in a user; all others are the operator's matter. */
function wrongField({ username, emails, roles, services }: InitialUser): string | null {
	const isText = (value: unknown) => typeof value === 'string' && value !== '';
	const isObject = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value);
	if (username !== undefined && !isText(username)) return 'username';
	const isEmail = (email: unknown) => isObject(email) && isText((email as { address?: unknown }).address);
	if (emails !== undefined && !(Array.isArray(emails) && emails.every(isEmail))) return 'emails';
	if (roles !== undefined && !(Array.isArray(roles) && roles.every(isText))) return 'roles';
	return services === undefined || isObject(services) ? null : 'services';
}

/** The document with what every user has. Its times of creation and change are the database's. */
function recordOf(document: InitialUser): NewUserRecord {
	const { createdAt: _created, _updatedAt: _updated, rk: _own, ...given } = document;
	const dated = JSON.parse(JSON.stringify(given), (key, value: unknown) => {
		return dateFields.includes(key) && typeof value === 'string' ? new Date(value) : value;
	}) as Partial<NewUserRecord> & { _id: UserId };
	return { ...usual, ...dated };
}
