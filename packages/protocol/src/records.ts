/**
 * The stored records, as they stand in MongoDB. Field names are Rocket.Chat's own.
 * Fields that only `Unread as a difference` needs stand below `rk` and never reach a client.
 */

export type UserId = string;
export type RoomId = string;
export type MessageId = string;

export type UserStatus = 'online' | 'away' | 'busy' | 'offline';

/** How a user is named inside another record. */
export type UserRef = { _id: UserId; username?: string; name?: string };

export type LoginToken = {
	hashedToken: string;
	when?: Date;
	type?: 'personalAccessToken';
	name?: string;
	createdAt?: Date;
	lastTokenPart?: string;
	bypassTwoFactor?: boolean;
	twoFactorAuthorizedHash?: string;
	twoFactorAuthorizedUntil?: Date;
};

/** Collection `users`. `services` holds credentials and never leaves accounts. */
export type User = {
	_id: UserId;
	createdAt: Date;
	_updatedAt: Date;
	username?: string;
	name?: string;
	nickname?: string;
	bio?: string;
	emails?: { address: string; verified: boolean }[];
	type: 'user' | 'bot' | 'app' | 'unknown';
	roles: string[];
	active: boolean;
	reason?: string;
	inactiveReason?: string;
	status?: UserStatus;
	statusDefault?: UserStatus;
	statusConnection?: UserStatus;
	statusText?: string;
	statusLivechat?: string;
	utcOffset?: number;
	language?: string;
	lastLogin?: Date;
	avatarOrigin?: string;
	avatarUrl?: string;
	avatarETag?: string;
	services?: {
		password?: { bcrypt?: string; reset?: object; enroll?: object };
		resume?: { loginTokens?: LoginToken[] };
		totp?: { enabled?: boolean; secret?: string; tempSecret?: string; hashedBackup?: string[] };
		email2fa?: { enabled: boolean; changedAt: Date };
		[service: string]: unknown;
	};
	settings?: { profile?: object; preferences?: Record<string, unknown> };
	customFields?: Record<string, unknown>;
	banners?: Record<string, unknown>;
	__rooms?: RoomId[];
	e2e?: { public_key?: string; private_key?: string };
	oauth?: { authorizedClients: string[] };
	requirePasswordChange?: boolean;
	requirePasswordChangeReason?: string;
	defaultRoom?: string;
	extension?: string;
	appId?: string;
	federated?: boolean;
	/**
	 * Ours: name and addresses as they are compared (`foldName`), under unique indexes; whether he has still to be put into
	 * the default rooms. Never sent anywhere.
	 */
	rk?: { username?: string; emails?: string[]; joinsLater?: true };
};

export type RoomType = 'c' | 'p' | 'd' | 'l' | 'v';

/**
 * Counters of a room or of a subscription's base: `s` every stored message, `n` those that raise `alert`,
 * `u` those that count as unread for everybody, `g` group mentions.
 */
export type UnreadCounters = { s: number; n: number; u: number; g: number };

/** Collection `rocketchat_room`. */
export type Room = {
	_id: RoomId;
	t: RoomType;
	name?: string;
	fname?: string;
	u?: UserRef;
	ts?: Date;
	lm?: Date;
	lastMessage?: Message;
	msgs: number;
	usersCount: number;
	usernames?: string[];
	uids?: UserId[];
	default?: boolean;
	featured?: boolean;
	favorite?: boolean;
	ro?: boolean;
	reactWhenReadOnly?: boolean;
	muted?: string[];
	unmuted?: string[];
	archived?: boolean;
	broadcast?: boolean;
	encrypted?: boolean;
	e2eKeyId?: string;
	joinCode?: string;
	joinCodeRequired?: boolean;
	topic?: string;
	description?: string;
	announcement?: string;
	sysMes?: string[] | boolean;
	retention?: object;
	teamId?: string;
	teamMain?: boolean;
	teamDefault?: boolean;
	prid?: RoomId;
	pmid?: MessageId;
	customFields?: Record<string, unknown>;
	avatarETag?: string;
	cl?: boolean;
	v?: { _id: string; username?: string; token?: string; status?: string; name?: string };
	servedBy?: UserRef;
	open?: boolean;
	_updatedAt: Date;
	/**
	 * Ours. `i`: ids of the last 64 posts counted; `p`: posts whose author's and mentioned users' subscriptions are not
	 * known to be done.
	 */
	rk?: Partial<UnreadCounters> & {
		i?: MessageId[];
		p?: { m: MessageId; s: number }[];
		/** Owners who announced that they are leaving, in the order of their announcements. */
		o?: { u: UserId; at: Date }[];
	};
};

/** One post counted apart for this subscription: an own one, or one that mentions its user (`m`), `c` = counts as unread. */
export type CountedApart = UnreadCounters & { m?: 1; c?: 1 };

/** Collection `rocketchat_subscription`: one per user and room. */
export type Subscription = {
	_id: string;
	rid: RoomId;
	u: UserRef;
	v?: UserRef;
	t: RoomType;
	name?: string;
	fname?: string;
	ts?: Date;
	ls?: Date;
	lr?: Date;
	open: boolean;
	alert: boolean;
	unread: number;
	userMentions: number;
	groupMentions: number;
	tunread?: MessageId[];
	tunreadUser?: MessageId[];
	tunreadGroup?: MessageId[];
	f?: boolean;
	roles?: string[];
	archived?: boolean;
	blocked?: boolean;
	blocker?: boolean;
	ignored?: UserId[];
	prid?: RoomId;
	teamId?: string;
	teamMain?: boolean;
	disableNotifications?: boolean;
	muteGroupMentions?: boolean;
	hideUnreadStatus?: boolean;
	hideMentionStatus?: boolean;
	unreadAlert?: string;
	desktopNotifications?: string;
	mobilePushNotifications?: string;
	emailNotifications?: string;
	desktopPrefOrigin?: 'user' | 'subscription';
	mobilePrefOrigin?: 'user' | 'subscription';
	emailPrefOrigin?: 'user' | 'subscription';
	audioNotificationValue?: string;
	userHighlights?: string[];
	customFields?: Record<string, unknown>;
	E2EKey?: string;
	status?: string;
	_updatedAt: Date;
	/** Ours: the room's counters at the last read, the alert base `h`, and posts counted apart `x`. */
	rk?: Partial<UnreadCounters> & { h?: { s: number; n: number }; x?: CountedApart[] };
};

export type Mention = { _id: string; username: string; name?: string; type?: 'user' | 'team' };

/** Collection `rocketchat_message`. */
export type Message = {
	_id: MessageId;
	rid: RoomId;
	msg: string;
	ts: Date;
	u: UserRef;
	_updatedAt: Date;
	t?: string;
	groupable?: boolean;
	alias?: string;
	avatar?: string;
	emoji?: string;
	bot?: unknown;
	parseUrls?: boolean;
	customFields?: Record<string, unknown>;
	tmid?: MessageId;
	tshow?: boolean;
	tcount?: number;
	tlm?: Date;
	replies?: UserId[];
	drid?: RoomId;
	dcount?: number;
	dlm?: Date;
	mentions?: Mention[];
	channels?: { _id: string; name?: string; fname?: string }[];
	urls?: { url: string; [key: string]: unknown }[];
	md?: unknown[];
	file?: object;
	files?: object[];
	attachments?: Record<string, unknown>[];
	blocks?: object[];
	reactions?: Record<string, { usernames: string[]; names?: string[] }>;
	starred?: { _id: UserId }[];
	pinned?: boolean;
	pinnedAt?: Date;
	pinnedBy?: UserRef;
	editedAt?: Date;
	editedBy?: UserRef;
	_hidden?: boolean;
	parent?: MessageId;
	imported?: unknown;
	unread?: boolean;
	role?: string;
	e2e?: string;
	content?: object;
	location?: object;
};

/** Collection `rocketchat__trash`: what was deleted, kept 30 days for the `remove` half of sync answers. */
export type Trash = { _id: string; __collection__: string; _deletedAt: Date; rid?: RoomId; u?: UserRef };

export type SettingType =
	| 'boolean'
	| 'string'
	| 'int'
	| 'select'
	| 'multiSelect'
	| 'password'
	| 'code'
	| 'color'
	| 'font'
	| 'asset'
	| 'action'
	| 'language'
	| 'relativeUrl'
	| 'roomPick'
	| 'timezone'
	| 'date'
	| 'lookup'
	| 'range'
	| 'group';

/** Collection `rocketchat_settings`. A record of type `group` has no `value`. */
export type Setting = {
	_id: string;
	type: SettingType;
	value?: unknown;
	packageValue?: unknown;
	valueSource?: 'packageValue' | 'processEnvValue' | 'meteorSettingsValue' | 'customValue';
	processEnvValue?: unknown;
	group?: string;
	section?: string;
	tab?: string;
	public?: boolean;
	hidden?: boolean;
	blocked?: boolean;
	secret?: boolean;
	readonly?: boolean;
	env?: boolean;
	enterprise?: boolean;
	invalidValue?: unknown;
	modules?: string[];
	i18nLabel?: string;
	i18nDescription?: string;
	sorter?: number;
	editor?: string;
	values?: { key: string | number; i18nLabel: string }[];
	requiredOnWizard?: boolean;
	ts?: Date;
	createdAt?: Date;
	_updatedAt: Date;
};

/** Collection `rocketchat_roles`. Compare ids, show names. */
export type Role = {
	_id: string;
	name: string;
	scope: 'Users' | 'Subscriptions';
	description: string;
	protected: boolean;
	mandatory2fa?: boolean;
	_updatedAt?: Date;
};

/** Collection `rocketchat_permissions`: which roles hold a permission. */
export type Permission = {
	_id: string;
	roles: string[];
	_updatedAt: Date;
	level?: 'settings';
	group?: string;
	section?: string;
	settingId?: string;
	groupPermissionId?: string;
	sectionPermissionId?: string;
	sorter?: number;
};
