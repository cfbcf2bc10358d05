import type { Hold } from '../services/membership-index.ts';
import type { Stream } from '../streams/stream.ts';
import type { Lease } from './interest.ts';
import { shared } from './shared-text.ts';

const noExtra: Record<string, unknown> = Object.freeze({});

/** What a client may say besides the event name: the same for most subscriptions. */
type Options = { extra: Record<string, unknown>; useCollection: boolean };

const collection: Options = { extra: noExtra, useCollection: true };
const plain: Options = { extra: noExtra, useCollection: false };

/** One subscription of a client. There are very many: what can be worked out is not kept. */
export class Sub {
	readonly id: string;
	/** The parameters as EJSON text, those of a stream without the event name: whether a second `sub` asks for the same. */
	readonly params: string;
	state: 'pending' | 'active' | 'ended' = 'pending';
	/** `ready` was sent: it is not sent again when the sub is judged anew. */
	isAnnounced = false;
	/** What it is about: a stream, or the name of a publication. */
	private readonly about: Stream | string;
	/** The event name: up to its first slash, and what stands behind it. */
	private readonly subject: string;
	private readonly detail: string | null;
	private readonly options: Options;
	/** Grows when the rights it depends on may have changed: an answer of an older judgement does not count. */
	judged = 0;
	/** Whether it listens to its topic, or to which other key of the fan-out. */
	private listening: boolean | string = false;
	/** The first frame of the log that is meant for it. */
	since = 0;
	lease: Lease | null = null;
	membership: Hold | null = null;

	/** @param params All of the client's parameters, in EJSON text, but for the event name of a stream. */
	constructor(id: string, name: string, params: string, told: Told | null) {
		this.id = id;
		this.params = shared(params);
		this.about = told?.stream ?? shared(name);
		const event = told?.event ?? '';
		const slash = event.indexOf('/');
		this.subject = slash === -1 ? event : event.slice(0, slash);
		this.detail = slash === -1 ? null : shared(event.slice(slash + 1));
		// His own id is held by the session already.
		if (told !== null && told.uid === this.subject) this.subject = told.uid;
		this.options = optionsOf(told);
	}

	/** As the client named it. */
	get name(): string {
		return typeof this.about === 'string' ? this.about : `stream-${this.about.name}`;
	}

	/** null for a publication. */
	get stream(): Stream | null {
		return typeof this.about === 'string' ? null : this.about;
	}

	/** The first of the client's `args`, when it is an object. */
	get extra(): Record<string, unknown> {
		return this.options.extra;
	}

	get useCollection(): boolean {
		return this.options.useCollection;
	}

	/** The event name. */
	get event(): string {
		return this.detail === null ? this.subject : `${this.subject}/${this.detail}`;
	}

	/** The named groups of the event name, by the stream's pattern. */
	get key(): Record<string, string | undefined> {
		return { ...this.stream?.key.exec(this.event)?.groups };
	}

	/** `<stream>/<event>`: mostly the key of the fan-out as well. */
	get topic(): string {
		return `${this.stream?.name}/${this.event}`;
	}

	/** Key of the fan-out it listens to while it is active. */
	get listensTo(): string | null {
		if (typeof this.listening === 'string') return this.listening;
		return this.listening ? this.topic : null;
	}

	set listensTo(key: string | null) {
		if (key === null) this.listening = false;
		else this.listening = key === this.topic ? true : key;
	}

	/** Lets go of what carries the events. */
	release(): void {
		const { lease, membership } = this;
		this.lease = null;
		this.membership = null;
		lease?.release();
		membership?.release();
	}

	/** All the parameters, as the client gave them, in EJSON text. */
	get allParams(): string {
		if (this.stream === null) return this.params;
		const event = JSON.stringify(this.event);
		return this.params === '[]' ? `[${event}]` : `[${event},${this.params.slice(1)}`;
	}
}

/** A subscription to a stream, as its client told it. */
export type StreamSub = Sub & { readonly stream: Stream };

/** What the parameters of a `sub` to a stream say. `uid`: of who asks. */
export type Told = {
	stream: Stream;
	event: string;
	extra: Record<string, unknown> | null;
	useCollection: boolean;
	uid: string | null;
};

function optionsOf(told: Told | null): Options {
	if (told === null || told.extra === null) return told?.useCollection === true ? collection : plain;
	return { extra: told.extra, useCollection: told.useCollection };
}

/** Whether it is about a stream. */
export function isStreamSub(sub: Sub): sub is StreamSub {
	return sub.stream !== null;
}
