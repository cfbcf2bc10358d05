/** A record as services hold it, and how long its EJSON is. */
export type CodecDocument = { name: string; bytes: number; value: Record<string, unknown> };

const at = (minute: number): Date => new Date(Date.UTC(2026, 0, 5, 9, minute));

const author = { _id: 'rbAXPnMktTFbNpwtJ', username: 'maria.gonzalez', name: 'María González' };

const directMessage = {
	_id: 'kTqPS7oMzRzuWdNbL',
	rid: 'rbAXPnMktTFbNpwtJvq3NKa8Q5ZyLHRwMt',
	msg: '',
	ts: at(1),
	u: author,
	_updatedAt: at(1),
	urls: [],
	mentions: [],
	channels: [],
};

const message = {
	...directMessage,
	rid: 'GENERAL',
	mentions: [{ _id: 'vq3NKa8Q5ZyLHRwMt', username: 'li.wei', name: 'Li Wei', type: 'user' }],
	reactions: { ':+1:': { usernames: ['li.wei', 'anna.svensson'] } },
	replies: ['vq3NKa8Q5ZyLHRwMt'],
	tcount: 2,
	tlm: at(7),
	alias: '',
	groupable: true,
};

const text = (value: string) => ({ type: 'PLAIN_TEXT', value });

const formattedMessage = {
	...message,
	msg: 'Release *4.2* is out: see https://example.com/releases/4.2 and tell @li.wei when the nodes are up again',
	md: [
		{
			type: 'PARAGRAPH',
			value: [
				text('Release '),
				{ type: 'BOLD', value: [text('4.2')] },
				text(' is out: see '),
				{ type: 'LINK', value: { src: text('https://example.com/releases/4.2'), label: [text('the notes')] } },
				text(' and tell '),
				{ type: 'MENTION_USER', value: text('li.wei') },
				text(' when the nodes are up again'),
			],
		},
		{
			type: 'UNORDERED_LIST',
			value: ['first the database', 'then the streamers, one by one', 'core last'].map((line) => ({
				type: 'LIST_ITEM',
				value: [text(line)],
			})),
		},
	],
	urls: [{ url: 'https://example.com/releases/4.2', meta: { pageTitle: 'Release notes 4.2', ogType: 'article' } }],
};

const subscription = {
	_id: 'pT5sWcXnG3mKbqJHd',
	open: true,
	alert: false,
	unread: 0,
	userMentions: 0,
	groupMentions: 0,
	ts: at(0),
	rid: 'GENERAL',
	name: 'general',
	fname: 'general',
	customFields: {},
	t: 'c',
	u: author,
	ls: at(8),
	lr: at(8),
	_updatedAt: at(8),
	tunread: ['kTqPS7oMzRzuWdNbL'],
	tunreadUser: [],
	tunreadGroup: [],
	roles: ['owner', 'moderator'],
	desktopNotifications: 'mentions',
	mobilePushNotifications: 'all',
	emailNotifications: 'default',
	muteGroupMentions: false,
	hideUnreadStatus: false,
	autoTranslateLanguage: 'en',
	userHighlights: [],
	comment: '',
};

const room = {
	_id: 'GENERAL',
	t: 'c',
	name: 'general',
	fname: 'general',
	ts: at(0),
	usernames: [],
	msgs: 18_234,
	usersCount: 512,
	default: true,
	ro: false,
	sysMes: ['uj', 'ul', 'au'],
	u: author,
	topic: '',
	description: 'What concerns all of us; everything else has a channel of its own',
	lm: at(9),
	_updatedAt: at(9),
	lastMessage: message,
	customFields: {},
	retention: { enabled: false, overrideGlobal: false, maxAge: 90, filesOnly: false, excludePinned: true },
	muted: ['spam.bot'],
	unmuted: [],
	avatarETag: 'f3Gh7PqLzXw2nTvKb',
};

/**
 * The documents of the bench, of the sizes at which such records are seen.
 *
 * @see performance, 7, `codec`
 */
export function codecDocuments(encode: (value: unknown) => string): CodecDocument[] {
	const padded = (name: string, bytes: number, value: Record<string, unknown>, field: string): CodecDocument => {
		const missing = bytes - encode(value).length;
		if (missing < 0) throw new Error(`${name} is ${-missing} bytes too long`);
		const words = 'some plain words that people write to each other ';
		const padding = words.repeat(Math.ceil(missing / words.length)).slice(0, missing);
		return { name, bytes, value: { ...value, [field]: `${String(value[field])}${padding}` } };
	};
	return [
		padded('direct message', 330, directMessage, 'msg'),
		padded('message', 660, message, 'msg'),
		padded('message with md', 2000, formattedMessage, 'msg'),
		padded('subscription', 900, subscription, 'comment'),
		padded('room', 1500, room, 'topic'),
	];
}
