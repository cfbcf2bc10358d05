/** Characters of identifiers: no 0, 1, I, O, U, V, l, o, u: they are hard to tell apart. */
const idAlphabet = '23456789ABCDEFGHJKLMNPQRSTWXYZabcdefghijkmnopqrstuvwxyz';
const secretAlphabet = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_';

/** Unbiased random text: bytes outside the largest multiple of the alphabet's length are thrown away. */
function randomText(alphabet: string, length: number): string {
	const limit = 256 - (256 % alphabet.length);
	const bytes = new Uint8Array(length * 2);
	let text = '';
	while (text.length < length) {
		globalThis.crypto.getRandomValues(bytes);
		for (const byte of bytes) {
			if (byte >= limit) continue;
			text += alphabet[byte % alphabet.length];
			if (text.length === length) return text;
		}
	}
	return text;
}

/**
 * A new document id: 17 characters of a 55-letter alphabet (about 98 bits).
 *
 * @param length Characters; 17 for documents, 6 for invites.
 * @see Meteor, packages/random, `Random.id`
 */
export function randomId(length = 17): string {
	return randomText(idAlphabet, length);
}

/** A new secret of 43 characters of `a-zA-Z0-9-_` (258 bits): login tokens. */
export function randomSecret(length = 43): string {
	return randomText(secretAlphabet, length);
}

/** The id of the direct room of two different users: their ids in ascending order, joined. */
export function directRoomId(first: string, second: string): string {
	return first < second ? first + second : second + first;
}
