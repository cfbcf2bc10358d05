import { z } from 'zod';
import { ClientError } from '@rookery/protocol/errors.ts';
import type { CoreServices } from '../services/core.ts';
import { readFields, readSort } from './list-query.ts';
import { tooManyRequests } from './login.ts';
import { pagingOf, pagingQuery, qBool, qText } from './query.ts';
import { RestFailure, route } from './route.ts';
import { userOf, userRefBody } from './user-ref.ts';
import { readUserFilter } from './users-filter.ts';

const text = z.string().max(4096);
const customFields = z.record(z.string(), z.unknown());

/** `POST users.register`. @see REST endpoints, 2 */
export const usersRegister = route({
	post: 'users.register',
	summary: 'Register oneself',
	auth: 'optional',
	// Accounts counts registrations: over all replicas, together with those of sockets.
	rate: 'none',
	body: z.object({
		username: text,
		email: text,
		pass: text,
		name: text.nullish(),
		secret: text.nullish(),
		secretURL: text.nullish(),
		reason: text.nullish(),
		customFields: customFields.nullish(),
	}),
	run: async ({ actor, body, connection, services }) => {
		if (actor !== null) throw new RestFailure(400, 'Logged in users can not register again.');
		const { username, email, pass: password } = body;
		const optional = {
			name: body.name,
			secretURL: body.secret ?? body.secretURL,
			reason: body.reason,
			customFields: body.customFields,
		};
		const given = Object.fromEntries(
			Object.entries(optional).filter(([, value]) => value !== undefined && value !== null),
		);
		const user = await services.accounts
			.register({ username, email, password, ...given }, connection)
			.catch((error: unknown) => throwRegistrationFailure(error, services));
		const { _id, name, type, status, active, utcOffset, statusText, customFields: fields } = user;
		return { user: { _id, username, name, type, status, active, utcOffset, statusText, customFields: fields } };
	},
});

function throwRegistrationFailure(error: unknown, { settings }: CoreServices): never {
	if (!(error instanceof ClientError)) throw error;
	if (error.code === 'too-many-requests') {
		throw tooManyRequests(error, settings.number('Rate_Limiter_Limit_RegisterUser', 1));
	}
	if (error.code === 403 && error.reason === 'Username already exists.') {
		throw new RestFailure(400, 'Username is already in use');
	}
	throw error;
}

/** `POST users.create`. */
export const usersCreate = route({
	post: 'users.create',
	summary: 'Create a user',
	auth: 'user',
	body: z.object({
		email: text,
		name: text,
		password: text,
		username: text,
		active: z.boolean().optional(),
		bio: z.string().max(260).optional(),
		nickname: z.string().max(120).optional(),
		statusText: text.optional(),
		roles: z.array(text).max(100).optional(),
		joinDefaultChannels: z.boolean().optional(),
		requirePasswordChange: z.boolean().optional(),
		setRandomPassword: z.boolean().optional(),
		verified: z.boolean().optional(),
		customFields: customFields.optional(),
	}),
	run: async ({ actor, body, services }) => ({ user: await services.users.create(actor, body) }),
});

/** `GET users.info`. Rooms are asked for by `includeUserRooms=true` or, as of old, `fields={"userRooms":1}`. */
export const usersInfo = route({
	get: 'users.info',
	summary: 'One user',
	auth: 'user',
	query: z.object({
		userId: qText.optional(),
		username: qText.optional(),
		email: qText.optional(),
		fields: qText.optional(),
		includeUserRooms: qBool.optional(),
	}),
	run: async ({ actor, query, services }) => {
		const user = await services.users.info(actor, refOf(query));
		if (user === null) throw new RestFailure(400, 'User not found.');
		const wantsRooms = query.includeUserRooms === true || hasUserRooms(query.fields);
		if (!wantsRooms || !(await services.users.maySeeRoomsOf(actor, user._id))) return { user };
		return { user: { ...user, rooms: await roomsOf(services, user._id) } };
	},
});

function refOf({ userId, username, email }: { userId?: string; username?: string; email?: string }) {
	if (userId !== undefined) return { userId };
	if (username !== undefined) return { username };
	if (email !== undefined) return { email };
	const missing = ['userId', 'username', 'email'].map((name) => `must have required property '${name}'`);
	throw new ClientError('invalid-params', [...missing, 'must match exactly one schema in oneOf'].join('\n '));
}

function hasUserRooms(fields: string | undefined): boolean {
	return fields !== undefined && 'userRooms' in readFields(fields)({ userRooms: true }) && fields.includes('userRooms');
}

async function roomsOf(services: CoreServices, uid: string): Promise<object[]> {
	const subscriptions = await services.subscriptions.list(uid);
	return subscriptions
		.map(({ rid, name, t, roles, unread }) => ({ rid, name, t, roles, unread }))
		.sort((a, b) => a.t.localeCompare(b.t) || (a.name ?? '').localeCompare(b.name ?? ''));
}

/** `GET users.list`. */
export const usersList = route({
	get: 'users.list',
	summary: 'Users of the workspace',
	auth: 'user',
	query: z.object({ ...pagingQuery, query: qText.optional(), fields: qText.optional(), email: qText.optional() }),
	run: async ({ actor, query, services }) => {
		const { offset, count } = pagingOf(query, services.settings);
		const visible = await services.users.listableFields(actor);
		const sort = readSort(query.sort, visible) ?? { username: 1 as const };
		const filter = readUserFilter(query.query, visible);
		const byEmail = query.email === undefined ? null : readUserFilter(emailQuery(query.email), visible);
		const choose = readFields(query.fields);
		const page = await services.users.list(actor, {
			filter: { all: [filter, byEmail].filter((part) => part !== null) },
			sort: Object.entries(sort),
			offset,
			count,
		});
		return { users: page.users.map(choose), count: page.users.length, offset, total: page.total };
	},
});

function emailQuery(email: string): string {
	return JSON.stringify({ 'emails.address': { $regex: `^${email}$`, $options: 'i' } });
}

/** `POST users.createToken`: a login token for a user, where the operator switched it on. */
export const usersCreateToken = route({
	post: 'users.createToken',
	summary: 'Create a login token for a user',
	auth: 'user',
	body: z.object({ ...userRefBody, secret: text.optional() }),
	run: async ({ actor, body, services }) => {
		const user = await userOf(services, body);
		return { data: await services.users.createToken(actor, user._id, body.secret) };
	},
});
