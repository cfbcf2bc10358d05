/** Names whose values never reach a log, at any depth. Compared in lower case, without - and _. */
const secretNames = new Set(
	[
		'password',
		'pass',
		'pwd',
		'passwd',
		'bcrypt',
		'digest',
		'secret',
		'secretUrl',
		'clientSecret',
		'privateKey',
		'token',
		'tokens',
		'authToken',
		'loginToken',
		'resume',
		'hashedToken',
		'hashedTokens',
		'accessToken',
		'refreshToken',
		'apiKey',
		'encryptionKey',
		'authorization',
		'cookie',
		'setCookie',
		'xAuthToken',
		'x2faCode',
		'totp',
		'twoFactor',
		'twoFactorCode',
		'recoveryCodes',
		'params',
		'args',
		'body',
		'bodyText',
		'text',
		'attachments',
		'email',
		'emails',
	].map(plainName),
);

const censored = '[hidden]';
const maxDepth = 6;
const maxEntries = 50;
const maxTextLength = 2000;

function plainName(name: string): string {
	return name.replaceAll(/[-_]/g, '').toLowerCase();
}

/**
 * The text without what must not be logged: user and password of URLs, and their query.
 *
 * @returns At most 2,000 characters.
 * @see security contract, 7
 */
export function maskText(text: string): string {
	const short = text.length > maxTextLength ? `${text.slice(0, maxTextLength)}…` : text;
	if (!short.includes('://')) return short;
	return short.replaceAll(/([a-z][a-z0-9+.-]*:\/\/)([^\s"'<>]*)/gi, (_, scheme: string, rest: string) => {
		const at = rest.lastIndexOf('@');
		const bare = at === -1 ? rest : `***@${rest.slice(at + 1)}`;
		const query = bare.indexOf('?');
		return scheme + (query === -1 ? bare : `${bare.slice(0, query)}?…`);
	});
}

/**
 * The fields of a log line with everything secret censored, cut to six levels and 50 entries each.
 * Errors stay as they are: they are serialized later.
 */
export function redactFields(fields: Record<string, unknown>): Record<string, unknown> {
	const clean: Record<string, unknown> = {};
	for (const [name, value] of Object.entries(fields)) clean[name] = redactEntry(name, value, 1);
	return clean;
}

function redactEntry(name: string, value: unknown, depth: number): unknown {
	if (value === undefined || value === null || typeof value === 'number' || typeof value === 'boolean') return value;
	if (secretNames.has(plainName(name))) return censored;
	// The text of a message; at the top it is the log line's own.
	if (name === 'msg' && depth > 1) return censored;
	return redactValue(value, depth);
}

function redactValue(value: unknown, depth: number): unknown {
	if (typeof value === 'string') return maskText(value);
	if (typeof value === 'bigint') return String(value);
	if (typeof value !== 'object' || value === null || value instanceof Date) return value;
	if (value instanceof Error && depth === 1) return value;
	if (depth >= maxDepth) return Array.isArray(value) ? `[${value.length} entries]` : '[object]';
	if (Array.isArray(value)) return value.slice(0, maxEntries).map((entry) => redactValue(entry, depth + 1));
	if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
	if (value instanceof Map || value instanceof Set) return `[${value.size} entries]`;
	const clean: Record<string, unknown> = {};
	if (value instanceof Error) Object.assign(clean, { type: value.name, message: maskText(value.message) });
	for (const [name, entry] of Object.entries(value).slice(0, maxEntries)) {
		clean[name] = redactEntry(name, entry, depth + 1);
	}
	return clean;
}
