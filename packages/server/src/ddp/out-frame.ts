/**
 * A frame on its way to sockets: pieces of text or bytes that stand behind each other, and the forms in which it was
 * already encoded. One frame may go to many sockets; each encoding is made once and its buffer is shared.
 */
export type OutFrame = {
	readonly pieces: readonly (string | Uint8Array)[];
	/** Filled by the transport. */
	readonly encoded: { raw?: Buffer; sockjs?: Buffer; rawDeflated?: Buffer; sockjsDeflated?: Buffer };
};

/** A frame of these pieces, in order. */
export function outFrame(...pieces: (string | Uint8Array)[]): OutFrame {
	return { pieces, encoded: {} };
}
