import { z } from 'zod';
import { freeForm } from './free-form.ts';

/** A field that may be left out, or null: installed clients send both. */
export function optional<T extends z.ZodType>(schema: T) {
	return schema.nullish().transform((value) => value ?? undefined);
}

/** An id as clients send one. */
export const idText = z.string().min(1).max(256);

/** Fields of an attachment that clients draw as text or use as addresses. */
const attachmentTexts = [
	'text',
	'msg',
	'pretext',
	'title',
	'title_link',
	'description',
	'color',
	'author_name',
	'author_link',
	'author_icon',
	'thumb_url',
	'image_url',
	'audio_url',
	'video_url',
	'message_link',
];

/**
 * An attachment: plain data; its texts are texts.
 * @see data model, 5.2
 */
export const attachment: z.ZodType<Record<string, unknown>> = freeForm.refine(
	(value) => attachmentTexts.every((key) => value[key] == null || typeof value[key] === 'string'),
	{ message: 'must be an attachment' },
);

/** Attachments of one message. */
export const attachments = z.array(attachment).max(100);

/** Fields of a new message, apart from its time. Unknown ones are dropped. @see realtime contract 3.7 */
export const newMessageFields = {
	_id: optional(idText),
	msg: optional(z.string()),
	tmid: optional(idText),
	tshow: optional(z.boolean()),
	alias: optional(z.string().max(1_024)),
	avatar: optional(z.string().max(8_192)),
	emoji: optional(z.string().max(256)),
	attachments: optional(attachments),
	blocks: optional(z.array(freeForm).max(100)),
	groupable: optional(z.boolean()),
	parseUrls: optional(z.boolean()),
	customFields: optional(freeForm),
	bot: optional(z.union([z.boolean(), freeForm])),
	content: optional(freeForm),
	t: optional(z.string().max(64)),
	e2e: optional(z.enum(['pending', 'done'])),
	location: optional(
		z.object({
			type: z.literal('Point'),
			coordinates: z.tuple([z.number().min(-180).max(180), z.number().min(-90).max(90)]),
		}),
	),
};
