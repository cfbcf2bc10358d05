/** The longest text that is looked for, in characters; what is beyond is cut. */
const maxLength = 256;

/** A regular expression that matches this text and nothing else. @see security contract, SEC-IN-5 */
export function literalPattern(text: string): string {
	const literal = text.slice(0, maxLength).replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
	// The database takes no pattern that holds this character itself.
	return literal.replaceAll('\0', String.raw`\x00`);
}
