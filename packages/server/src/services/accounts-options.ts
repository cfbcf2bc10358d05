import { ClientError } from '@rookery/protocol/errors.ts';
import type { LoginName } from '../repositories/user-credentials.ts';
import { passwordDigest } from './accounts-passwords.ts';

/** A login attempt once read. */
export type LoginForm =
	| { kind: 'resume'; token: string }
	| { kind: 'password'; name: LoginName | null; digest: string }
	| { kind: 'totp'; login: Exclude<LoginForm, { kind: 'totp' }>; code: string };

/** Longer texts are no name, password or token of anybody. */
const maxText = 4096;

/**
 * Reads what a client sent to `login`. Every text in the result is a text: no object of the client's passes.
 *
 * @throws ClientError 400 "Unrecognized options for login request" for a form that no login service takes; 400 "Match
 *   failed" for a known form with a field of another type
 * @see realtime contract, 3.3.1
 */
export function readLoginOptions(options: unknown): LoginForm {
	if (!isObject(options)) throw unrecognized();
	if (isObject(options['totp'])) {
		const { login, code } = options['totp'];
		const inner = readLoginOptions(login);
		if (inner.kind === 'totp') throw unrecognized();
		return { kind: 'totp', login: inner, code: readText(code) };
	}
	if (options['resume'] !== undefined && options['resume'] !== null) {
		return { kind: 'resume', token: readText(options['resume']) };
	}
	const { user, password, code } = options;
	if (user === undefined || user === null || password === undefined || password === null) throw unrecognized();
	const form = { kind: 'password' as const, name: readName(user), digest: readDigest(password) };
	// Meteor's own second factor stands beside the password.
	return code === undefined || code === null ? form : { kind: 'totp', login: form, code: readText(code) };
}

/** null = a name that nobody can have: it is treated like an unknown one. */
function readName(user: unknown): LoginName | null {
	if (!isObject(user)) throw mismatch();
	for (const by of ['id', 'username', 'email'] as const) {
		const value = user[by];
		if (value === undefined || value === null) continue;
		const text = readText(value);
		return text === '' ? null : { by, value: text };
	}
	throw mismatch();
}

function readDigest(password: unknown): string {
	if (typeof password === 'string') return passwordDigest(readText(password));
	if (!isObject(password)) throw mismatch();
	const { digest, algorithm } = password;
	if (typeof digest !== 'string' || !/^[0-9a-f]{64}$/.test(digest) || algorithm !== 'sha-256') throw mismatch();
	return digest;
}

function readText(value: unknown): string {
	if (typeof value !== 'string' || value.length > maxText) throw mismatch();
	return value;
}

function isObject(value: unknown): value is Record<string, unknown> {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function unrecognized(): ClientError {
	return new ClientError(400, 'Unrecognized options for login request');
}

function mismatch(): ClientError {
	return new ClientError(400, 'Match failed');
}
