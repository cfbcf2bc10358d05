/** `broken`: no JSON. `shape`: JSON, but neither an array of strings nor a string. */
export type SockjsProblem = 'broken' | 'shape';

/**
 * The strings inside a client's SockJS message.
 *
 * @returns A problem when there are none: on a WebSocket the connection ends then. '' holds no string and is none.
 * @see realtime contract 1.4
 */
export function readSockjsMessage(text: string): string[] | SockjsProblem {
	if (text === '') return [];
	let value: unknown;
	try {
		value = JSON.parse(text);
	} catch {
		return 'broken';
	}
	if (typeof value === 'string') return [value];
	if (!Array.isArray(value)) return 'shape';
	const list: unknown[] = value;
	return list.every((entry) => typeof entry === 'string') ? list : 'shape';
}
