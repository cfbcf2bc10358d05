import { connect } from '@nats-io/transport-node';
import { isAtLeast, type Finding } from '../platform/finding.ts';
import { BadServers, parseServers, type NatsServers } from './nats-servers.ts';

/** Our largest payload, with room for headers. */
const neededPayload = 1024 * 1024;

/**
 * Looks at a NATS with the eyes of an operator: reachable, version, payload, a round trip, TLS.
 *
 * @param servers As in `TRANSPORTER`.
 * @see security contract, 8
 */
export async function diagnoseNats(servers: string, timeoutMs = 5_000): Promise<Finding[]> {
	try {
		return await lookAt(parseServers(servers), timeoutMs);
	} catch (error) {
		const message = error instanceof Error ? error.message : String(error);
		const text = error instanceof BadServers ? `TRANSPORTER: ${message}` : `NATS cannot be reached: ${message}`;
		return [{ level: 'error', text }];
	}
}

async function lookAt({ addresses, user, password, token, tls }: NatsServers, timeoutMs: number): Promise<Finding[]> {
	const nats = await connect({
		servers: addresses,
		name: 'rookery doctor',
		timeout: timeoutMs,
		reconnect: false,
		maxReconnectAttempts: 0,
		...(user === undefined ? {} : { user }),
		...(password === undefined ? {} : { pass: password }),
		...(token === undefined ? {} : { token }),
		...(tls ? { tls: {} } : {}),
	});
	try {
		const rtt = await nats.rtt();
		const { version = '0', max_payload: maxPayload = 0 } = nats.info ?? {};
		return [
			{ level: 'ok', text: `NATS answers at ${nats.getServer()} (${rtt} ms)` },
			versionFinding(version),
			...(maxPayload < neededPayload
				? [{ level: 'error' as const, text: `NATS max_payload is ${maxPayload}: ${neededPayload} is needed` }]
				: []),
			...exposure(addresses, { hasUser: user !== undefined || token !== undefined, tls }),
		];
	} finally {
		await nats.close();
	}
}

function versionFinding(version: string): Finding {
	const floor = version.startsWith('2.11.') ? '2.11.15' : '2.12.6';
	if (isAtLeast(version, floor)) return { level: 'ok', text: `NATS ${version}` };
	return { level: 'warn', text: `NATS ${version}: use 2.11.15, 2.12.6 or newer in production` };
}

function exposure(addresses: string[], { hasUser, tls }: { hasUser: boolean; tls: boolean }): Finding[] {
	const isLocal = addresses.every((address) => /^(127\.|localhost:|\[::1\])/.test(address));
	if (isLocal || (hasUser && tls)) return [];
	const lacks = [...(hasUser ? [] : ['a user']), ...(tls ? [] : ['TLS'])].join(' and ');
	return [{ level: 'warn', text: `NATS is used over the network without ${lacks}` }];
}
