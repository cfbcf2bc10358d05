import type { ServerResponse } from 'node:http';
import { uncached } from './sockjs-answer.ts';

/** How a fallback transport brings frames to its client. */
export type ReceiverKind = {
	method: 'GET' | 'POST';
	contentType: string;
	/** false: one frame, then the answer ends. */
	isStreaming: boolean;
	/** The query must name a function: `?c=<callback>`. */
	needsCallback: boolean;
	/** What stands in front of all frames. */
	head(callback: string): string;
	/** A frame as it stands in the answer. */
	wrap(frame: string): string;
};

const script = 'application/javascript; charset=UTF-8';

/** @see realtime contract 1.6 */
export const receiverKinds: ReadonlyMap<string, ReceiverKind> = new Map<string, ReceiverKind>([
	[
		'xhr',
		{
			method: 'POST',
			contentType: script,
			isStreaming: false,
			needsCallback: false,
			head: () => '',
			wrap: (frame) => `${frame}\n`,
		},
	],
	[
		'xhr_streaming',
		{
			method: 'POST',
			contentType: script,
			isStreaming: true,
			needsCallback: false,
			// Browsers show the first bytes of an answer only when there are enough of them.
			head: () => `${'h'.repeat(2048)}\n`,
			wrap: (frame) => `${frame}\n`,
		},
	],
	[
		'eventsource',
		{
			method: 'GET',
			contentType: 'text/event-stream',
			isStreaming: true,
			needsCallback: false,
			head: () => '\r\n',
			// Clients decode per cent signs. Line ends cannot occur: a frame is JSON.
			wrap: (frame) => `data: ${frame.replaceAll('%', '%25')}\r\n\r\n`,
		},
	],
	[
		'htmlfile',
		{
			method: 'GET',
			contentType: 'text/html; charset=UTF-8',
			isStreaming: true,
			needsCallback: true,
			head: htmlHead,
			wrap: (frame) => `<script>\np(${scriptString(frame)});\n</script>\r\n`,
		},
	],
]);

/** Whether a text is a name that a page of `htmlfile` may call. */
export function isCallback(text: string): boolean {
	return /^[A-Za-z0-9\-_.]{1,128}$/.test(text);
}

/**
 * Without `document.domain`, which older servers set here: it would open the page, and all that the site keeps in the
 * browser, to every other port of the same host.
 */
function htmlHead(callback: string): string {
	const head = `<!doctype html>
<html><head>
<meta http-equiv="X-UA-Compatible" content="IE=edge" />
<meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
</head><body><h2>Don't panic!</h2>
<script>
var c = parent.${callback};
c.start();
function p(d) {c.message(d);};
window.onload = c.stop;
</script>`;
	return `${head.padEnd(1025, ' ')}\r\n\r\n`;
}

/** A frame carries what users wrote: nothing in it may end the script it stands in. */
function scriptString(text: string): string {
	return JSON.stringify(text).replace(/[<>&]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** One answer that waits for frames. */
export class Receiver {
	readonly isStreaming: boolean;
	/** Bytes of frames so far. */
	sentBytes = 0;
	/** Monotonic ms of the last frame. */
	usedAt: number;
	private readonly kind: ReceiverKind;
	private readonly response: ServerResponse;

	/** Writes the head. CORS headers stand in the answer already. */
	constructor(kind: ReceiverKind, response: ServerResponse, callback: string, now: number) {
		this.kind = kind;
		this.response = response;
		this.isStreaming = kind.isStreaming;
		this.usedAt = now;
		response.setHeader('Content-Type', kind.contentType);
		response.setHeader('Cache-Control', uncached);
		response.setHeader('X-Content-Type-Options', 'nosniff');
		// Proxies must pass each frame on at once.
		if (kind.isStreaming) response.setHeader('X-Accel-Buffering', 'no');
		if (kind.needsCallback) {
			response.setHeader(
				'Content-Security-Policy',
				"default-src 'none'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
			);
		}
		const head = kind.head(callback);
		if (head !== '') response.write(head);
	}

	/** Whether the client went away before it had everything. To be asked once it is closed. */
	get isInterrupted(): boolean {
		return !this.response.writableFinished;
	}

	get isGone(): boolean {
		return this.response.destroyed || this.response.closed;
	}

	/** Calls once, when nothing more can be written: the answer is complete, or the client went away. */
	onClose(run: () => void): void {
		this.response.once('close', run);
	}

	/** @param done Called when the system has taken it; never when the client goes away before. */
	write(frame: string, now: number, done?: () => void): void {
		this.usedAt = now;
		const bytes = Buffer.from(this.kind.wrap(frame));
		this.sentBytes += bytes.length;
		this.response.write(bytes, (error) => {
			if (!error) done?.();
		});
	}

	/** Writes a last frame and ends the answer. */
	end(frame: string, done?: () => void): void {
		if (done !== undefined) this.response.once('finish', done);
		const bytes = Buffer.from(this.kind.wrap(frame));
		// An answer of one frame says how long it is.
		if (!this.response.headersSent) this.response.setHeader('Content-Length', bytes.length);
		this.response.end(bytes);
	}

	/** Cuts the connection. */
	destroy(): void {
		this.response.destroy();
	}
}
