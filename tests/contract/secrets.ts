/** What no client may ever see in a frame, whoever he is. @see realtime contract 8, A13 */
const secrets =
	/\bjoinCode\b|\bservices\\?"|\bservices\.|\bbcrypt\b|\bhashedToken\b|\bloginTokens\b|\bclientSecret\b|"rk\\?"\s*:/;

/** The first secret in a text of the wire, or null. */
export function secretIn(text: string): string | null {
	return secrets.exec(text)?.[0] ?? null;
}

/**
 * Fails the test that runs when a frame gives a secret away: every socket of the suite passes its frames through here.
 *
 * The error is thrown by itself, because a listener of a socket may swallow it.
 */
export function refuseSecrets(text: string): void {
	const secret = secretIn(text);
	if (secret === null) return;
	queueMicrotask(() => {
		throw new Error(`a frame holds ${secret}: ${text.slice(0, 600)}`);
	});
}
