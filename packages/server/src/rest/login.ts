import { z } from 'zod';
import { ClientError } from '@rookery/protocol/errors.ts';
import { RestFailure, route } from './route.ts';

const text = z.string().max(4096);
const code = z.union([text, z.int().transform(String)]).nullish();

/** An object that names nobody is no name: of another type than it should be. */
const name = z
	.object({ username: text.nullish(), email: text.nullish(), id: text.nullish() })
	.refine((user) => Object.values(user).some((value) => typeof value === 'string'), { message: 'must be string' });

const credentials = {
	user: z.union([text, name]).nullish(),
	username: text.nullish(),
	email: text.nullish(),
	password: z
		.union([text, z.object({ digest: z.string().regex(/^[0-9a-f]{64}$/), algorithm: z.literal('sha-256') })])
		.nullish(),
	resume: text.nullish(),
	code,
};

const body = z.object({
	...credentials,
	totp: z.object({ code, login: z.object(credentials) }).nullish(),
});

/** Of one account: what the headers of a refusal name. */
const loginsPerMinute = 10;

type Credentials = z.infer<z.ZodObject<typeof credentials>>;

/** `POST login`: every form of login. @see REST contract, 3.2 to 3.4 */
export const login = route({
	post: 'login',
	summary: 'Log in with a password or a token',
	auth: 'public',
	// Accounts counts the attempts: over all replicas, together with those of sockets.
	rate: 'none',
	body,
	run: async ({ body, connection, headers, services }) => {
		const form = optionsOf(body.totp?.login ?? body);
		if (form === null) throw unauthorized();
		const given = body.totp?.code ?? body.code ?? headers['x-2fa-code'];
		const options = given === undefined || given === null ? form : { totp: { login: form, code: given } };
		const result = await services.accounts.login(options, connection).catch(throwFailure);
		const me = await services.users.me(result.id);
		return { status: 'success', data: { userId: result.id, authToken: result.token, me } };
	},
});

/** The options of the method `login` that this form stands for; null when it names nobody or proves nothing. */
function optionsOf({ user, username, email, password, resume }: Credentials): object | null {
	if (typeof resume === 'string') return { resume };
	const name = nameOf(user, username, email);
	if (name === null || password === undefined || password === null) return null;
	return { user: name, password };
}

function nameOf(user: Credentials['user'], username: Credentials['username'], email: Credentials['email']) {
	if (typeof user === 'string') return user.includes('@') ? { email: user } : { username: user };
	for (const [key, value] of Object.entries({ ...user, ...(user ? {} : { username, email }) })) {
		if (typeof value === 'string') return { [key]: value };
	}
	return null;
}

/** Words a refusal for REST. What is no verdict about the login passes as it is. */
function throwFailure(error: unknown): never {
	if (!(error instanceof ClientError)) throw error;
	if (error.code === 'too-many-requests') throw tooManyRequests(error, loginsPerMinute);
	if (error.code === 500 || error.code === 'error-service-unavailable' || error.code === 'error-timeout') throw error;
	if (error.code === 403 && error.reason === 'User not found') throw unauthorized();
	const details = error.details === undefined ? {} : { details: error.details };
	throw new RestFailure(401, {
		status: 'error',
		error: error.code,
		...details,
		message: error.reason ?? error.message,
	});
}

/** One answer for an unknown user and a wrong password. */
function unauthorized(): RestFailure {
	return new RestFailure(401, { status: 'error', error: 'Unauthorized', message: 'Unauthorized' });
}

/**
 * A limit that accounts keeps, in the words of REST.
 *
 * @param limit Calls a minute, for the headers of the answer.
 */
export function tooManyRequests(error: ClientError, limit: number): ClientError {
	const { timeToReset = 60_000 } = (error.details ?? {}) as { timeToReset?: number };
	return new ClientError(
		'error-too-many-requests',
		`Error, too many requests. Please slow down. You must wait ${Math.ceil(timeToReset / 1000)} seconds before trying this endpoint again.`,
		{ limit, timeToReset },
	);
}
