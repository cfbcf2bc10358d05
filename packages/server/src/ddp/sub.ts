import type { Hold } from '../services/membership-index.ts';
import type { Stream } from '../streams/stream.ts';
import type { Lease } from './interest.ts';

/** One subscription of a client. There are very many: what can be worked out is not kept. */
export type Sub = {
	readonly id: string;
	/** As the client named it. */
	readonly name: string;
	/** The parameters as EJSON text, those of a stream without the event name: whether a second `sub` asks for the same. */
	readonly params: string;
	state: 'pending' | 'active' | 'ended';
	/** `ready` was sent: it is not sent again when the sub is judged anew. */
	isAnnounced: boolean;
	/** null for a publication. */
	stream: StreamSub | null;
};

const noExtra: Record<string, unknown> = Object.freeze({});

/** The part of a subscription that is about a stream. */
export class StreamSub {
	readonly stream: Stream;
	/** `<stream>/<event>`: mostly the key of the fan-out as well. */
	readonly topic: string;
	/** The first of the client's `args`, when it is an object. */
	readonly extra: Record<string, unknown>;
	readonly useCollection: boolean;
	/** Grows when the rights it depends on may have changed: an answer of an older judgement does not count. */
	judged = 0;
	/** Key of the fan-out it listens to while active, and the first frame of the log that is meant for it. */
	listensTo: string | null = null;
	since = 0;
	lease: Lease | null = null;
	membership: Hold | null = null;

	constructor(stream: Stream, event: string, extra: Record<string, unknown> | null, useCollection: boolean) {
		this.stream = stream;
		this.topic = `${stream.name}/${event}`;
		this.extra = extra ?? noExtra;
		this.useCollection = useCollection;
	}

	/** The event name. */
	get event(): string {
		return this.topic.slice(this.stream.name.length + 1);
	}

	/** The named groups of the event name, by the stream's pattern. */
	get key(): Record<string, string | undefined> {
		return { ...this.stream.key.exec(this.event)?.groups };
	}

	/** Lets go of what carries the events. */
	release(): void {
		const { lease, membership } = this;
		this.lease = null;
		this.membership = null;
		lease?.release();
		membership?.release();
	}
}

/** All the parameters of a `sub`, as its client gave them, in EJSON text. */
export function paramsOf({ params, stream }: Sub): string {
	if (stream === null) return params;
	const event = JSON.stringify(stream.event);
	return params === '[]' ? `[${event}]` : `[${event},${params.slice(1)}`;
}

/** Most clients send one of a few texts: each is kept once. */
const known = new Map<string, string>();
const maxKnown = 256;
const maxKnownLength = 64;

/** The same text, but the same object for all who ask. */
export function shared(text: string): string {
	const present = known.get(text);
	if (present !== undefined) return present;
	if (text.length <= maxKnownLength && known.size < maxKnown) known.set(text, text);
	return text;
}
