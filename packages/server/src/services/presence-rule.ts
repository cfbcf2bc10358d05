import type { UserStatus } from '@rookery/protocol/records.ts';

/** What one connection says of its user. */
export type ConnectionStatus = Exclude<UserStatus, 'offline'>;

/**
 * What a user's connections say together: online if one of them is, else what the newest of them says.
 *
 * @param connections Oldest first.
 * @see realtime contract 5.2
 */
export function statusOfConnections(connections: Iterable<ConnectionStatus>): UserStatus {
	let status: UserStatus = 'offline';
	for (const connection of connections) {
		if (connection === 'online') return 'online';
		status = connection;
	}
	return status;
}

/**
 * What others see: nobody is anything but offline without a connection, and with one the user's choice counts unless it
 * is `online`.
 *
 * @param chosen Absent or null = online.
 * @see realtime contract 5.2
 */
export function visibleStatus(connection: UserStatus, chosen: UserStatus | null | undefined): UserStatus {
	if (connection === 'offline') return 'offline';
	return chosen === undefined || chosen === null || chosen === 'online' ? connection : chosen;
}
