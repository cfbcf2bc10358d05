import { ClientError } from '@rookery/protocol/errors.ts';
import type { Message, MessageId, Room } from '@rookery/protocol/records.ts';
import type { MessageRepository } from '../repositories/messages.ts';
import type { RoomPostRepository } from '../repositories/room-posts.ts';
import type { RoomRepository } from '../repositories/rooms.ts';
import type { TrashRepository } from '../repositories/trash.ts';
import type { Actor, AuthorizationApi } from './contracts.ts';
import { partsOfMessage, type MessageComposer } from './message-composer.ts';
import { checkGroupMentions, checkSize, checkVoice, isPast } from './message-rules.ts';
import type { MessageEdit } from './messages.ts';
import type { SettingsReader } from './settings.ts';

export type ChangeDeps = {
	messages: MessageRepository;
	posts: RoomPostRepository;
	rooms: Pick<RoomRepository, 'findById'>;
	trash: Pick<TrashRepository, 'moveToTrash'>;
	composer: MessageComposer;
	authorization: AuthorizationApi;
	settings: SettingsReader;
	newId: () => string;
};

type Found = { message: Message; room: Room };

/** Changing what was written: edit, delete. */
export function messageChanges(deps: ChangeDeps) {
	const { messages, posts, composer, authorization, settings } = deps;

	/** A visible message and its room, if the actor may access it; else null. */
	async function reach(actor: Actor, id: MessageId): Promise<Found | null> {
		const message = await messages.findById(id);
		if (message === null || message._hidden === true) return null;
		if (!(await authorization.canAccessRoom(message.rid, actor.uid))) return null;
		const room = await deps.rooms.findById(message.rid);
		return room === null ? null : { message, room };
	}

	async function checkMayEdit(actor: Actor, { message, room }: Found): Promise<void> {
		const isSystem = message.t !== undefined && message.t !== 'e2e';
		const mayEditAll = await authorization.has(actor.uid, 'edit-message', room._id);
		const isOwn = message.u._id === actor.uid;
		if (isSystem || (!mayEditAll && !(isOwn && settings.flag('Message_AllowEditing', true)))) {
			throw notAllowed('Message editing not allowed', 'updateMessage', 'Message_editing');
		}
		if (!mayEditAll && (await isTooLate(actor, message, 'Message_AllowEditing_BlockEditInMinutes'))) {
			throw new ClientError('error-message-editing-blocked', 'Message editing is blocked', { method: 'updateMessage' });
		}
		if (room.archived === true) throw new ClientError('error-room-archived', 'The room is archived');
		await checkVoice(actor, room, authorization);
	}

	/** Whether the time in which a message may be changed has passed, by the database's clock. */
	async function isTooLate(actor: Actor, message: Message, setting: string): Promise<boolean> {
		const minutes = settings.number(setting, 0);
		if (minutes <= 0) return false;
		if (!isPast(message, minutes, (await posts.now()).getTime())) return false;
		return !(await authorization.has(actor.uid, 'bypass-time-limit-edit-and-delete', message.rid));
	}

	async function editedFields(actor: Actor, { message, room }: Found, edit: MessageEdit): Promise<Partial<Message>> {
		const fields = describe(message, edit);
		checkSize({ ...fields, rid: message.rid }, settings);
		if (fields.msg === undefined || message.t === 'e2e') return fields;
		const parts = partsOfMessage({ msg: fields.msg });
		const had = (name: string): boolean => (message.mentions ?? []).some(({ _id }) => _id === name);
		const added = { all: parts.all && !had('all'), here: parts.here && !had('here') };
		await checkGroupMentions(actor, added, room, authorization);
		return { ...fields, ...(await composer.resolve(actor, parts, message.parseUrls !== false)) };
	}

	return {
		reach,

		/** @see MessagesService.update */
		async update(actor: Actor, id: MessageId, edit: MessageEdit): Promise<Message> {
			const found = await reach(actor, id);
			if (found === null)
				throw new ClientError('error-invalid-message', 'Invalid message', { method: 'updateMessage' });
			const { message } = found;
			checkThread(message, edit);
			await checkMayEdit(actor, found);
			if (edit.content !== undefined && message.t !== 'e2e') {
				throw new ClientError('error-not-allowed', 'Only encrypted messages can have content updated.');
			}
			if (isUnchanged(message, edit)) return message;
			const fields = await editedFields(actor, found, edit);
			if (settings.flag('Message_KeepHistory')) await messages.keepVersion(message, deps.newId());
			const editedBy = { _id: actor.uid, username: actor.username };
			const unset: (keyof Message)[] = fields.msg === undefined ? [] : ['md'];
			const updated = await messages.change(
				id,
				{ set: { ...fields, editedBy }, unset, editedAt: true },
				{ t: message.t, _hidden: undefined },
			);
			if (updated === null)
				throw new ClientError('error-invalid-message', 'Invalid message', { method: 'updateMessage' });
			await posts.replaceLast(message.rid, id, updated);
			return updated;
		},

		/** @see MessagesService.remove */
		async remove(actor: Actor, id: MessageId): Promise<Message> {
			const found = await reach(actor, id);
			if (found === null) throw notAllowed('Not allowed', 'deleteMessage', 'Delete_message');
			const { message, room } = found;
			await checkMayDelete(actor, found);
			if (message.t === 'rm' || !(await erase(actor, message))) return message;
			const last = await posts.uncount(room._id);
			if (message.tmid !== undefined) await messages.recountThread(message.tmid, []);
			if (last === id) await posts.replaceLast(room._id, id, await messages.findLast(room._id));
			return message;
		},
	};

	async function checkMayDelete(actor: Actor, { message, room }: Found): Promise<void> {
		const has = (permission: string): Promise<boolean> => authorization.has(actor.uid, permission, room._id);
		if (await has('force-delete-message')) return;
		const refused = notAllowed('Not allowed', 'deleteMessage', 'Delete_message');
		if (!settings.flag('Message_AllowDeleting', true)) throw refused;
		const isOwn = message.u._id === actor.uid;
		if (!(await has('delete-message')) && !(isOwn && (await has('delete-own-message')))) throw refused;
		if (await isTooLate(actor, message, 'Message_AllowDeleting_BlockDeleteInMinutes')) throw refused;
		if (room.ro === true && room.unmuted?.includes(actor.username) !== true && !(await has('post-readonly'))) {
			throw new ClientError('error-not-allowed', "You can't delete messages because the room is readonly.");
		}
	}

	/**
	 * Takes a message away by the workspace's rules: a thread's parent and what should show as deleted stay as `rm`.
	 *
	 * @returns false when somebody else was faster.
	 * @see data model, 6.4
	 */
	async function erase(actor: Actor, message: Message): Promise<boolean> {
		const isParent = (message.tcount ?? 0) > 0;
		const isKept = isParent || settings.flag('Message_KeepHistory');
		const isShown = isParent || settings.flag('Message_ShowDeletedStatus');
		const asItWas = { t: message.t, _hidden: undefined };
		if (!isShown) {
			if (!isKept) return (await deps.trash.moveToTrash('rocketchat_message', [message._id])) === 1;
			return (await messages.change(message._id, { set: { _hidden: true } }, asItWas)) !== null;
		}
		if (isKept) await messages.keepVersion(message, deps.newId());
		const emptied = {
			t: 'rm',
			msg: '',
			urls: [],
			mentions: [],
			attachments: [],
			// Rocket.Chat stores a list here, and its clients expect it.
			reactions: [] as unknown as NonNullable<Message['reactions']>,
			editedBy: { _id: actor.uid, username: actor.username },
		};
		const unset: (keyof Message)[] = ['md', 'blocks', 'tshow', 'file', 'files', 'content', 'location'];
		return (await messages.change(message._id, { set: emptied, unset, editedAt: true }, asItWas)) !== null;
	}
}

export type MessageChanges = ReturnType<typeof messageChanges>;

function notAllowed(reason: string, method: string, action: string): ClientError {
	return new ClientError('error-action-not-allowed', reason, { method, action });
}

function checkThread(message: Message, edit: MessageEdit): void {
	if (edit.tmid === undefined) return;
	if (edit.tmid === message._id) {
		throw new ClientError('error-message-same-as-tmid', 'Cannot set tmid the same as the _id', {
			method: 'updateMessage',
		});
	}
	if (message.tmid === undefined) {
		throw new ClientError('error-message-change-to-thread', 'Cannot change message to a thread', {
			method: 'updateMessage',
		});
	}
}

function isUnchanged(message: Message, edit: MessageEdit): boolean {
	const shown = message.attachments?.[0]?.['description'] ?? message.msg;
	const isOnlyText =
		edit.attachments === undefined &&
		edit.customFields === undefined &&
		edit.content === undefined &&
		edit.blocks === undefined;
	return isOnlyText && (edit.msg === undefined || edit.msg === shown);
}

/** What the edit sets. Of a described attachment the text is the description. */
function describe(message: Message, edit: MessageEdit): Partial<Message> {
	const { msg, attachments, customFields, content, blocks } = edit;
	const free = {
		...(attachments === undefined ? {} : { attachments }),
		...(customFields === undefined ? {} : { customFields }),
		...(content === undefined ? {} : { content }),
		...(blocks === undefined ? {} : { blocks }),
	};
	if (msg === undefined) return free;
	const [first, ...others] = message.attachments ?? [];
	if (attachments === undefined && first?.['description'] !== undefined) {
		return { ...free, attachments: [{ ...first, description: msg }, ...others] };
	}
	return { ...free, msg };
}
