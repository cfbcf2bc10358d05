import { headers, type MsgHdrs } from '@nats-io/transport-node';
import { busLimits } from './call-wire.ts';

/**
 * Headers of calls on NATS. A result that fits one message carries none.
 *
 * A request over 512 KiB is opened with an empty message that only says how large it will be (`bytes`); the replica that
 * takes it answers with a subject of its own (`ready`), and the parts follow there. Answers over 512 KiB come as parts on
 * the subject that was given for the answer.
 */
export const headerNames = {
	method: 'Rookery-Method',
	/** ms that are left for the call: a duration, because clocks differ. */
	deadline: 'Rookery-Deadline',
	/** Bytes of a request that follows in parts. */
	bytes: 'Rookery-Bytes',
	/** Where the parts of a request go. */
	ready: 'Rookery-Ready',
	/** Any value: the body is an error. */
	failed: 'Rookery-Error',
	/** `<sender>.<index>.<count>` of one part. */
	part: 'Rookery-Part',
} as const;

/** Header lines from names and values. */
export function headersOf(values: Record<string, string>): MsgHdrs {
	const result = headers();
	for (const [name, value] of Object.entries(values)) result.set(name, value);
	return result;
}

/** Cuts bytes into messages. At least one, perhaps empty. */
export function partsOf(bytes: Uint8Array): Uint8Array[] {
	const parts: Uint8Array[] = [];
	for (let at = 0; at < bytes.length; at += busLimits.messageBytes) {
		parts.push(bytes.subarray(at, at + busLimits.messageBytes));
	}
	return parts.length === 0 ? [bytes] : parts;
}

/**
 * Puts the parts of one sender together again. They come in order from one connection; anything else is refused.
 *
 * @param maxBytes More is refused.
 */
export function partCollector(maxBytes: number) {
	const senders = new Map<string, { parts: Uint8Array[]; bytes: number }>();

	return {
		/**
		 * @param tag Value of the part header.
		 * @returns The whole when this was the last part; 'more', or 'broken' when it can never become whole.
		 */
		add(tag: string, data: Uint8Array): Uint8Array | 'more' | 'broken' {
			const [sender = '', index = '', count = ''] = tag.split('.');
			const state = senders.get(sender) ?? { parts: [], bytes: 0 };
			state.bytes += data.length;
			if (state.parts.length !== Number(index) || state.bytes > maxBytes) return 'broken';
			state.parts.push(data.slice());
			senders.set(sender, state);
			return state.parts.length === Number(count) ? Buffer.concat(state.parts) : 'more';
		},
	};
}
