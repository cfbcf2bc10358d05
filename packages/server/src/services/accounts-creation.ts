import { ClientError } from '@rookery/protocol/errors.ts';
import { randomId } from '@rookery/protocol/ids.ts';
import type { FirstAdminRepository } from '../repositories/first-admin.ts';
import type { NewUserRecord, UserRepository } from '../repositories/users.ts';
import type { Log } from '../platform/log.ts';
import { passwordDigest, type PasswordHasher } from './accounts-passwords.ts';
import {
	checkCustomFields,
	checkEmail,
	checkPassword,
	isBlockedUsername,
	isRegistrationSecret,
	isValidUsername,
	listOf,
} from './accounts-rules.ts';
import type { LoginThrottle } from './accounts-throttle.ts';
import type { AccountsApi, CoreApi, NewUser, PublicUser } from './contracts.ts';
import type { SettingsReader } from './settings.ts';

type Deps = {
	users: UserRepository;
	firstAdmin: FirstAdminRepository;
	hasher: PasswordHasher;
	throttle: LoginThrottle;
	settings: SettingsReader;
	/** Absent where a command makes users without a running core. */
	core: Pick<CoreApi, 'joinDefaultRooms'> | null;
	log: Log;
};

/** How refusals are worded: for a person who registers, or for somebody who makes users. */
type Wording = 'register' | 'create';

/** Makes users. @see data model, 2 "Creation rules"; REST contract part 2, `users.create` and `users.register` */
export function userCreation({ users, firstAdmin, hasher, throttle, settings, core, log }: Deps) {
	/** What is taken is said before a password is hashed; `insert` decides it for good. */
	async function refuseTaken({ username, email }: NewUser, wording: Wording): Promise<void> {
		if (username !== undefined && (await users.hasUsername(username))) throw taken('username', username, wording);
		if (email !== undefined && (await users.hasEmail(email))) throw taken('email', email, wording);
	}

	async function create(user: NewUser, wording: Wording): Promise<PublicUser> {
		checkForm(user, wording, settings);
		await refuseTaken(user, wording);
		const bcrypt = user.password === undefined ? null : await hasher.hash(passwordDigest(user.password));
		const record = recordOf(user, bcrypt, settings);
		const outcome = await users.insert(record);
		if (outcome === 'username-taken') throw taken('username', user.username ?? '', wording);
		if (outcome === 'email-taken') throw taken('email', user.email ?? '', wording);
		await appointFirstAdmin(record);
		// Who has no name yet joins when he takes one.
		if (user.joinDefaultChannels !== false && user.username !== undefined) await joinDefaultRooms(record._id);
		const stored = await users.findById(record._id);
		if (stored === null) throw new ClientError('error-invalid-user', 'Invalid user');
		return stored;
	}

	/** In a workspace without an administrator the first person becomes one. */
	async function appointFirstAdmin({ _id, type, roles }: NewUserRecord): Promise<void> {
		if (type !== 'user' || roles.includes('admin') || (await users.hasRole('admin'))) return;
		const holder = await firstAdmin.claim(_id);
		if (!(await users.grantRole(holder, 'admin'))) {
			await users.grantRole(await firstAdmin.takeOver(holder, _id), 'admin');
		}
		await firstAdmin.startWizard();
	}

	/** The user exists already: a core that does not answer must not make him believe otherwise. */
	async function joinDefaultRooms(uid: string): Promise<void> {
		try {
			await core?.joinDefaultRooms(uid, false);
		} catch (error) {
			log.error({ event: 'join-default-rooms', uid, err: error }, 'a new user could not be put into the default rooms');
		}
	}

	function mayRegister(secretURL: string | undefined): void {
		const form = settings.text('Accounts_RegistrationForm', 'Public');
		if (form === 'Disabled') throw new ClientError('error-user-registration-disabled', 'User registration is disabled');
		if (form !== 'Secret URL' || (secretURL !== undefined && isRegistrationSecret(secretURL, settings))) return;
		throw new ClientError('error-user-registration-secret', 'User registration is only allowed via Secret URL');
	}

	return {
		createUser(user: NewUser): Promise<PublicUser> {
			return create(user, 'create');
		},

		async register(...[given, connection]: Parameters<AccountsApi['register']>): Promise<PublicUser> {
			const { secretURL, reason, ...user } = given;
			await throttle.countRegistration(connection.clientAddress);
			mayRegister(secretURL);
			const needsApproval = settings.flag('Accounts_ManuallyApproveNewUsers');
			return create({ ...user, ...(needsApproval ? { active: false, reason: reason ?? '' } : {}) }, 'register');
		},
	};
}

function checkForm(user: NewUser, wording: Wording, settings: SettingsReader): void {
	const { username, email, password } = user;
	if (username !== undefined) {
		if (!isValidUsername(username, settings)) throw invalidUsername(username, wording);
		const isAdmin = user.roles?.includes('admin') === true;
		if (!isAdmin && isBlockedUsername(username, settings)) {
			throw new ClientError('error-blocked-username', `${escapeHtml(username)} is blocked and can't be used!`, {
				method: 'checkUsernameAvailability',
				field: username,
			});
		}
	}
	if (email !== undefined) checkEmail(email, settings);
	if (password !== undefined) checkPassword(password, settings);
}

/** What a user has who never was there. */
export const neverSeen = {
	status: 'offline',
	statusDefault: 'online',
	statusConnection: 'offline',
	utcOffset: 0,
	avatarOrigin: 'none',
	__rooms: [],
} satisfies Partial<NewUserRecord>;

function recordOf(user: NewUser, bcrypt: string | null, settings: SettingsReader): NewUserRecord {
	const { username, name, email, bio, nickname, statusText, reason } = user;
	const optional = {
		username,
		name: name?.trim(),
		bio,
		nickname,
		statusText: statusText?.trim().slice(0, 120),
		reason,
	};
	const customFields = user.customFields === undefined ? {} : checkCustomFields(user.customFields, settings);
	const active = user.active ?? true;
	return {
		_id: randomId(),
		...withoutUndefined(optional),
		...(email === undefined ? {} : { emails: [{ address: email, verified: user.verified ?? false }] }),
		...(Object.keys(customFields).length === 0 ? {} : { customFields }),
		...(user.requirePasswordChange === true ? { requirePasswordChange: true } : {}),
		...(active ? {} : { inactiveReason: reason === undefined ? 'deactivated' : 'pending_approval' }),
		type: user.type ?? 'user',
		roles: user.roles ?? listOf(settings.text('Accounts_Registration_Users_Default_Roles', 'user')),
		active,
		...neverSeen,
		services: bcrypt === null ? {} : { password: { bcrypt } },
	};
}

function withoutUndefined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
	return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
		[K in keyof T]?: Exclude<T[K], undefined>;
	};
}

function invalidUsername(username: string, wording: Wording): ClientError {
	const shown = escapeHtml(username.slice(0, 200));
	if (wording === 'create') {
		const details = { method: 'insertOrUpdateUser', field: 'username' };
		return new ClientError('error-input-is-not-a-valid-field', `${shown} is not a valid username`, details);
	}
	return new ClientError(
		'username-invalid',
		`${shown} is not a valid username, use only letters, numbers, dots, hyphens and underscores`,
	);
}

function taken(field: 'username' | 'email', value: string, wording: Wording): ClientError {
	if (wording === 'register') {
		return new ClientError(403, field === 'email' ? 'Email already exists.' : 'Username already exists.');
	}
	const details = { method: 'insertOrUpdateUser', field: value };
	return new ClientError('error-field-unavailable', `${escapeHtml(value)} is already in use :(`, details);
}

/** For texts that clients show as HTML. */
function escapeHtml(text: string): string {
	const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
	return text.replace(/[&<>"']/g, (character) => entities[character] ?? character);
}
