/**
 * The strings inside a client's SockJS message.
 *
 * @returns null when it is neither an array of strings nor a string: the connection ends.
 * @see realtime contract 1.4
 */
export function readSockjsMessage(text: string): string[] | null {
	if (text === '') return [];
	let value: unknown;
	try {
		value = JSON.parse(text);
	} catch {
		return null;
	}
	if (typeof value === 'string') return [value];
	if (!Array.isArray(value)) return null;
	const list: unknown[] = value;
	return list.every((entry) => typeof entry === 'string') ? list : null;
}
