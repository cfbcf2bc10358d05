/** What the text of `TRANSPORTER` says about the NATS servers. */
export type NatsServers = {
	/** `host:port`, at least one. */
	addresses: string[];
	user?: string;
	password?: string;
	token?: string;
	tls: boolean;
};

/** Text that names no NATS servers. The message is for the operator and holds no password. */
export class BadServers extends Error {
	override name = 'BadServers';
}

/**
 * Reads `TRANSPORTER`: one URL or several with commas between, `nats://`, `tls://`, `monolith+nats://`, or a bare host.
 * User and password (or a token in the user's place) may stand in any one of them and count for all. One `tls://` demands
 * TLS of all.
 *
 * @throws BadServers
 * @see architecture, "How it is started"
 */
export function parseServers(text: string): NatsServers {
	const servers: NatsServers = { addresses: [], tls: false };
	for (const part of text.split(',')) {
		const item = part.trim();
		if (item !== '') addServer(servers, item);
	}
	if (servers.addresses.length === 0) throw new BadServers('no server is named: expected nats://host:4222');
	return servers;
}

function addServer(servers: NatsServers, item: string): void {
	const url = readUrl(item);
	if (url.protocol === 'tls:') servers.tls = true;
	else if (url.protocol !== 'nats:') {
		throw new BadServers(`'${url.protocol}//' is not supported: expected nats:// or tls://`);
	}
	if (url.hostname === '') throw new BadServers('a server without a host: expected nats://host:4222');
	servers.addresses.push(`${url.hostname}:${url.port === '' ? '4222' : url.port}`);
	if (url.username === '') return;
	if (url.password === '') servers.token ??= decodeURIComponent(url.username);
	else {
		servers.user ??= decodeURIComponent(url.username);
		servers.password ??= decodeURIComponent(url.password);
	}
}

function readUrl(item: string): URL {
	if (item.toUpperCase() === 'TCP') throw new BadServers("'TCP' is not supported: expected nats://host:4222");
	const plain = item.replace(/^monolith\+/i, '');
	try {
		return new URL(/^[a-z][a-z0-9+.-]*:\/\//i.test(plain) ? plain : `nats://${plain}`);
	} catch {
		throw new BadServers('a server is no URL: expected nats://host:4222');
	}
}
