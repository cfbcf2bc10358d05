import { ClientError } from '@rookery/protocol/errors.ts';
import type { Role, UserId, UserStatus } from '@rookery/protocol/records.ts';
import type { Clock } from '../platform/clock.ts';
import type { UserFilter, UserListQuery, UserRepository } from '../repositories/users.ts';
import { isRegistrationSecret, passwordPolicy, publicCustomFields } from './accounts-rules.ts';
import type { AccountsApi, Actor, AuthorizationApi, NewUser, PublicUser } from './contracts.ts';
import type { SettingsReader } from './settings.ts';
import { userAdministration, type TokenCreation } from './user-administration.ts';
import { ownView, servicesView } from './user-self.ts';
import { listFields, viewOf, type UserView, type ViewerClass } from './user-views.ts';

export type { UserCondition, UserFilter } from '../repositories/users.ts';
export type { UserView } from './user-views.ts';

/** A page of users as a client asks for it. Fields stand for those the answer has. */
export type UserListRequest = Pick<UserListQuery, 'sort' | 'offset' | 'count'> & { filter: UserFilter | null };

/** A user in a list of who is there. */
export type PresenceEntry = {
	_id: UserId;
	username?: string;
	name?: string;
	status?: UserStatus;
	statusText?: string;
	utcOffset?: number;
	avatarETag?: string;
	roles: string[];
};

/** Users as records, for core. Credentials are accounts'. */
export type UsersService = {
	findById(uid: UserId): Promise<PublicUser | null>;
	/** Users of these ids, in any order; unknown ones are left out. */
	findByIds(uids: UserId[]): Promise<PublicUser[]>;
	/** Case-insensitive. */
	findByUsername(username: string): Promise<PublicUser | null>;
	/** Users of these names, in any order; unknown ones are left out. */
	findByUsernames(usernames: string[]): Promise<PublicUser[]>;

	/** One user as this viewer may see him, with `canViewAllInfo`. By address only for those who may see addresses. */
	info(viewer: Actor, ref: { userId: UserId } | { username: string } | { email: string }): Promise<UserView | null>;
	/** Whether the viewer may see which rooms a user is in. */
	maySeeRoomsOf(viewer: Actor, uid: UserId): Promise<boolean>;
	/** Names of the fields by which this viewer may list: those of the entries he gets. */
	listableFields(viewer: Actor): Promise<string[]>;
	/** A page of users. @throws ClientError `unauthorized` (403) without permission */
	list(viewer: Actor, request: UserListRequest): Promise<{ users: UserView[]; total: number }>;
	/**
	 * Who is there. `ids`: those of them who are not offline. `from` of the last ten minutes: others who changed since.
	 * Otherwise all who are not offline (`full`). Nobody when presence is switched off.
	 */
	presence(viewer: Actor, scope: { ids?: UserId[]; from?: Date }): Promise<{ users: PresenceEntry[]; full: boolean }>;

	/** Everything about the caller himself, preferences complete. @see REST endpoints 1, `me` */
	me(uid: UserId): Promise<Record<string, unknown>>;

	/**
	 * Makes a user for an administrator.
	 *
	 * @param user.setRandomPassword Asks for a password that is mailed: refused while no mail can be sent.
	 * @throws ClientError the codes of REST endpoints 2, `users.create`
	 */
	create(actor: Actor, user: NewUser & { setRandomPassword?: boolean }): Promise<UserView>;
	/**
	 * A login token for a user. Only where the operator switched it on.
	 * @throws ClientError `error-not-authorized`
	 */
	createToken(actor: Actor, uid: UserId, secret: string | undefined): Promise<{ userId: UserId; authToken: string }>;
	/** Takes a name, for a user who has none. @throws ClientError `username-invalid`, `error-field-unavailable` */
	setUsername(actor: Actor, username: string, silenced: boolean): Promise<string>;
	/** Whether nobody has the name. @throws ClientError `error-blocked-username` */
	isUsernameFree(username: string): Promise<boolean>;
	/** Ends all tokens of a user. @throws ClientError `unauthorized` (403), `error-invalid-user-id` */
	logoutEverywhere(actor: Actor, uid: UserId): Promise<void>;

	/** The password policy as clients show it. */
	passwordPolicy(): { enabled: boolean; policy: [string, Record<string, number>?][] };
	/** Whether a text is the secret of the registration page. */
	isRegistrationSecret(text: string): boolean;
};

/** What the parts of the users service need. */
export type UserDeps = {
	users: UserRepository;
	accounts: AccountsApi;
	authorization: AuthorizationApi;
	settings: SettingsReader;
	/** The roles of the workspace. */
	roles: () => Promise<Role[]>;
	joinDefaultRooms: (uid: UserId, silenced: boolean) => Promise<void>;
	/** Public address of the workspace, without a slash at the end. */
	rootUrl: string;
	tokenCreation: TokenCreation;
	clock: Clock;
};

/** How far back changes of presence are told one by one. */
const recentMs = 10 * 60_000;

/** Users as records and what may be done to them. Runs in: core. */
export function usersService(deps: UserDeps): UsersService {
	const { users, authorization, settings } = deps;

	const maySeeAll = (viewer: Actor) => authorization.has(viewer.uid, 'view-full-other-user-info');

	async function view(viewer: Actor, user: PublicUser): Promise<UserView> {
		const isSelf = viewer.uid === user._id;
		const canViewAllInfo = isSelf || (await maySeeAll(viewer));
		const viewerClass: ViewerClass = isSelf ? 'self' : canViewAllInfo ? 'full' : 'other';
		const shown = viewOf(user, viewerClass, publicCustomFields(settings));
		const services = isSelf ? { services: servicesView(await deps.accounts.credentialsOf(user._id)) } : {};
		return { ...shown, ...services, canViewAllInfo };
	}

	async function find(viewer: Actor, ref: Parameters<UsersService['info']>[1]): Promise<PublicUser | null> {
		if ('userId' in ref) return users.findById(ref.userId);
		if ('username' in ref) return users.findByUsername(ref.username);
		return (await maySeeAll(viewer)) ? users.findByEmail(ref.email) : null;
	}

	async function listableFields(viewer: Actor): Promise<string[]> {
		return [...listFields.other, ...((await maySeeAll(viewer)) ? listFields.full : [])];
	}

	return {
		...userAdministration(deps),
		findById: users.findById,
		findByIds: users.findByIds,
		findByUsername: users.findByUsername,
		findByUsernames: users.findByUsernames,

		async info(viewer, ref) {
			const user = await find(viewer, ref);
			return user === null ? null : view(viewer, user);
		},

		async maySeeRoomsOf(viewer, uid) {
			return viewer.uid === uid || authorization.has(viewer.uid, 'view-other-user-channels');
		},

		listableFields,

		async list(viewer, request) {
			const needed = ['view-d-room'];
			if (settings.flag('API_Apply_permission_view-outside-room_on_users-list')) needed.push('view-outside-room');
			if (!(await authorization.hasAll(viewer.uid, needed))) throw new ClientError('unauthorized');
			const { users: found, total } = await users.list({ ...request, fields: await listableFields(viewer) });
			return { users: found as UserView[], total };
		},

		async presence(viewer, { ids, from }) {
			if (settings.flag('Presence_broadcast_disabled')) return { users: [], full: false };
			if (ids !== undefined) return { users: await users.listPresence({ ids }), full: false };
			if (from === undefined || deps.clock.now() - from.getTime() >= recentMs) {
				return { users: await users.listPresence('all'), full: true };
			}
			const changed = await users.listPresence({ since: from });
			return { users: changed.filter(({ _id }) => _id !== viewer.uid), full: false };
		},

		async me(uid) {
			const user = await users.findById(uid);
			if (user === null) throw new ClientError('error-invalid-user', 'Invalid user');
			return ownView(user, await deps.accounts.credentialsOf(uid), deps);
		},

		passwordPolicy: () => passwordPolicy(settings),
		isRegistrationSecret: (text) => isRegistrationSecret(text, settings),
	};
}
