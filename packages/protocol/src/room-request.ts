import { z } from 'zod';

const text = z.string().max(8192).optional();

/** What a client may set beside the name of a room it makes (`extraData`); other members are dropped. */
export const roomExtraData = z
	.object({
		broadcast: z.boolean().optional(),
		encrypted: z.boolean().optional(),
		teamId: z.string().max(255).optional(),
		topic: text,
		description: text,
		announcement: text,
	})
	.optional();
