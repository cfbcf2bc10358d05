import assert from 'node:assert/strict';
import { test } from 'node:test';
import { directRoomId } from '@rookery/protocol/ids.ts';
import { roomsHarness } from '../testing/rooms.ts';

test('a target is opened by name, id, username and user id; a channel is joined on the way', async (t) => {
	const { service, subscriptions, givenUser } = await roomsHarness(t);
	const [ana, bob] = [await givenUser('ana'), await givenUser('bob')];
	const room = await service.create(ana, { t: 'c', name: 'garden' });
	for (const target of ['#garden', 'garden', room._id, ` #${room._id} `]) {
		assert.equal((await service.openTarget(bob, target))._id, room._id, target);
	}
	assert.notEqual(await subscriptions.find('id-bob', room._id), null);
	const direct = directRoomId('id-ana', 'id-bob');
	for (const target of ['@ANA', '@id-ana', 'id-ana', direct]) {
		assert.equal((await service.openTarget(bob, target))._id, direct, target);
	}
	for (const target of ['#ana', 'ana', '@nobody', '#nothing', '', '#', '@']) {
		await assert.rejects(service.openTarget(bob, target), { code: 'invalid-channel' }, target);
	}
});

test("a user's id stands for the user, whatever rooms and users others name after it", async (t) => {
	const { service, givenUser } = await roomsHarness(t);
	const [ana, eve] = [await givenUser('ana'), await givenUser('eve')];
	await givenUser('bob');
	const trap = await service.create(eve, { t: 'c', name: 'id-bob' });
	await givenUser('id-bob');
	assert.equal((await service.openTarget(ana, 'id-bob'))._id, directRoomId('id-ana', 'id-bob'));
	assert.equal((await service.openTarget(ana, '#id-bob'))._id, trap._id);
	assert.equal((await service.openTarget(ana, '@id-bob'))._id, directRoomId('id-ana', 'id-id-bob'));
});

test('a target that one may not see is not opened, and nothing is joined or made', async (t) => {
	const { service, db, givenUser } = await roomsHarness(t);
	const [ana, guest] = [await givenUser('ana'), await givenUser('gus', { roles: ['guest'] })];
	await givenUser('bob');
	const group = await service.create(ana, { t: 'p', name: 'cave' });
	const channel = await service.create(ana, { t: 'c', name: 'garden' });
	const { room: direct } = await service.createDirect(ana, ['bob']);
	const before = await db.collection('rocketchat_subscription').countDocuments();
	for (const target of [group._id, '#cave', channel._id, '#garden', direct._id, '@ana']) {
		await assert.rejects(service.openTarget(guest, target), { code: 'error-not-allowed' }, target);
	}
	await assert.rejects(service.openDirect(guest, direct._id), { code: 'error-not-allowed' });
	await assert.rejects(service.openDirect(ana, group._id), { code: 'invalid-channel' });
	assert.equal(await db.collection('rocketchat_subscription').countDocuments(), before);
	assert.equal(await db.collection('rocketchat_room').countDocuments(), 3);
});
