/** Names and parameters that most clients send: each is kept once. */
const known = new Map<string, string>();
const maxKnown = 512;
const maxKnownLength = 64;

/** The same text, but the same object for all who ask: for texts that very many sessions hold. */
export function shared(text: string): string {
	const present = known.get(text);
	if (present !== undefined) return present;
	if (text.length <= maxKnownLength && known.size < maxKnown) known.set(text, text);
	return text;
}
