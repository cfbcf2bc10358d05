import { z } from 'zod';
import { freeForm } from '@rookery/protocol/free-form.ts';
import { roomExtraData } from '@rookery/protocol/room-request.ts';
import type { Actor } from '../services/contracts.ts';
import type { CoreServices } from '../services/core.ts';
import type { RoomRequest } from '../services/room-create.ts';
import { RestFailure, forbidden } from './route.ts';
import { roomAnswer } from './room-reading.ts';

/** What a route may be sent; each member is checked by `createRoom`, with the texts clients know. */
export const creationBody = z.object({
	name: z.unknown().optional(),
	members: z.unknown().optional(),
	teams: z.unknown().optional(),
	readOnly: z.boolean().optional(),
	excludeSelf: z.boolean().optional(),
	customFields: z.unknown().optional(),
	extraData: z.unknown().optional(),
});

const name = z
	.string()
	.max(8192)
	.refine((text) => text.trim() !== '');
const usernames = z.array(z.string().max(255)).max(1000).optional();

/**
 * Answers `channels.create` and `groups.create`.
 *
 * @param label How the texts of refusals name a parameter.
 * @throws RestFailure 403u without permission, 400 with the text of the first wrong parameter
 * @see REST endpoints 3 and 4
 */
export async function createRoom(
	services: CoreServices,
	actor: Actor,
	t: 'c' | 'p',
	body: z.infer<typeof creationBody>,
	label: 'Param' | 'Body param',
): Promise<object> {
	const request: RoomRequest = {
		t,
		name: read(name, body.name, `${label} "name" is required`),
		members: read(usernames, body.members, `${label} "members" must be an array if provided`),
		customFields: read(freeForm.optional(), body.customFields, `${label} "customFields" must be an object if provided`),
		extraData: read(roomExtraData, body.extraData, `${label} "extraData" must be an object if provided`),
		readOnly: body.readOnly,
		excludeSelf: body.excludeSelf,
	};
	if (!(await services.authorization.has(actor.uid, `create-${t}`))) throw forbidden();
	const teams = read(usernames, body.teams, 'Param teams must be an array');
	if (teams !== undefined && teams.length > 0) throw new RestFailure(400, 'team-does-not-exist');
	return roomAnswer(services, actor, await services.rooms.create(actor, request));
}

function read<T>(schema: z.ZodType<T>, value: unknown, text: string): T {
	const result = schema.safeParse(value ?? undefined);
	if (!result.success) throw new RestFailure(400, text);
	return result.data;
}
