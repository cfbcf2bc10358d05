/** The longest text that is looked for, in characters; what is beyond is cut. */
const maxLength = 256;

/** A regular expression that matches this text and nothing else. @see security contract, SEC-IN-5 */
export function literalPattern(text: string): string {
	return text.slice(0, maxLength).replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
}
