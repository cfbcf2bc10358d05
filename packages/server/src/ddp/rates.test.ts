import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClientError } from '@rookery/protocol/errors.ts';
import { fakeSettings } from '../testing/accounts.ts';
import { rateLimits } from './rates.ts';

type Who = { uid?: string; address?: string; userAgent?: string };

function rig(values: Record<string, unknown> = {}) {
	const clock = { at: 1_000, now: () => clock.at, monotonic: () => clock.at };
	const refused: string[] = [];
	const rates = rateLimits({
		settings: fakeSettings(values),
		clock,
		tally: (what, label) => refused.push(`${what} ${label}`),
	});
	const connect = ({ uid, address = '10.0.0.1', userAgent = 'web' }: Who = {}) => ({
		actor: uid === undefined ? null : { uid },
		socket: { info: { clientAddress: address, userAgent } },
	});
	return { rates, clock, connect, refused, values };
}

/** How many of these calls at once are allowed; the first refusal, if any. */
function allowedOf(times: number, call: () => void): [allowed: number, refusal: ClientError | null] {
	for (let n = 0; n < times; n++) {
		try {
			call();
		} catch (error) {
			assert.ok(error instanceof ClientError);
			return [n, error];
		}
	}
	return [times, null];
}

test('a refusal says in words and in ms how long to wait', () => {
	const { rates, connect, refused } = rig();
	const ana = connect();
	const [allowed, refusal] = allowedOf(9, () => rates.localMethod(ana, 'login'));
	assert.equal(allowed, 5);
	assert.equal(refusal?.code, 'too-many-requests');
	assert.equal(
		refusal?.reason,
		'Error, too many requests. Please slow down. You must wait 2 seconds before trying again.',
	);
	assert.deepEqual(refusal?.details, { timeToReset: 2_000 });
	assert.deepEqual(refused, ['limited login']);
});

test('the numbers of the settings hold, live, and each scope can be switched off', () => {
	const cases: [scope: string, label: string, perMinute: number][] = [
		['Connection', 'connection', 600],
		['User', 'user', 1_200],
		['IP', 'address', 120_000],
	];
	for (const [scope, label, usual] of cases) {
		const others = ['Connection', 'User', 'IP'].filter((name) => name !== scope);
		const { rates, connect, values, refused, clock } = rig(
			Object.fromEntries(others.map((name) => [`DDP_Rate_Limit_${name}_Enabled`, false])),
		);
		const ana = connect({ uid: 'ana' });
		assert.equal(allowedOf(usual + 1, () => rates.method(ana))[0], usual, scope);
		assert.deepEqual(refused, [`limited ${label}`]);
		clock.at += 60_000 / usual + 0.01;
		assert.equal(allowedOf(2, () => rates.method(ana))[0], 1, `${scope}: one token later`);
		clock.at += 60_000;
		values[`DDP_Rate_Limit_${scope}_Requests_Allowed`] = 3;
		assert.equal(allowedOf(5, () => rates.method(ana))[0], 3, `${scope}: changed`);
		values[`DDP_Rate_Limit_${scope}_Enabled`] = false;
		assert.equal(allowedOf(5, () => rates.method(ana))[0], 5, `${scope}: off`);
	}
});

test('by name: 10 for a connection and 20 for a user in 10 s, four times that for streams', () => {
	const { rates, connect } = rig();
	const first = connect({ uid: 'ana' });
	const call = (who: ReturnType<typeof connect>, name: string) => allowedOf(99, () => rates.localMethod(who, name))[0];
	assert.equal(call(first, 'UserPresence:away'), 10);
	assert.equal(call(first, 'UserPresence:online'), 10);
	assert.equal(call(connect({ uid: 'ana' }), 'UserPresence:away'), 10);
	assert.equal(call(connect({ uid: 'ana' }), 'UserPresence:away'), 0, 'the user has used up his own');
	assert.equal(call(connect({ uid: 'bob' }), 'UserPresence:away'), 10);
	assert.equal(call(first, 'stream-notify-room'), 40);
	assert.equal(call(connect({ uid: 'ana' }), 'stream-notify-room'), 40);
	assert.equal(call(connect({ uid: 'ana' }), 'stream-notify-room'), 0);
});

test('a status may be set once a second by a user, however many connections he has', () => {
	const { rates, connect, clock } = rig();
	rates.localMethod(connect({ uid: 'ana' }), 'setUserStatus');
	assert.throws(() => rates.localMethod(connect({ uid: 'ana' }), 'setUserStatus'), { code: 'too-many-requests' });
	rates.localMethod(connect({ uid: 'bob' }), 'setUserStatus');
	clock.at += 1_000;
	rates.localMethod(connect({ uid: 'ana' }), 'setUserStatus');
});

test('a connection opens 1,000 subscriptions at once, then 10 a second, and all again when it comes back', () => {
	const { rates, connect, clock, refused } = rig();
	const ana = connect({ uid: 'ana' });
	const [allowed, refusal] = allowedOf(1_001, () => rates.sub(ana));
	assert.equal(allowed, 1_000);
	assert.deepEqual(refusal?.details, { timeToReset: 100 });
	assert.deepEqual(refused, ['limited sub']);
	clock.at += 1_000;
	assert.equal(allowedOf(99, () => rates.sub(ana))[0], 10);
	rates.closed(ana);
	assert.equal(allowedOf(1_000, () => rates.sub(connect({ uid: 'ana' })))[0], 1_000);
});

test('who uses up his connection gets no new limit by a new one', () => {
	const { rates, connect, clock } = rig();
	const first = connect({ uid: 'ana' });
	assert.equal(allowedOf(700, () => rates.method(first))[0], 600);
	rates.closed(first);
	const again = connect({ uid: 'ana' });
	assert.equal(allowedOf(9, () => rates.method(again))[0], 0);
	clock.at += 1_000;
	assert.equal(allowedOf(99, () => rates.method(again))[0], 10);
	assert.equal(allowedOf(9, () => rates.method(connect({ uid: 'ana' })))[0], 9, 'a further one owes nothing');
	assert.equal(allowedOf(9, () => rates.method(connect({ uid: 'bob' })))[0], 9);
});

test('a second window of the same browser has limits of its own, and takes over what a closed one owes once', () => {
	const { rates, connect } = rig({ DDP_Rate_Limit_User_Enabled: false });
	const [first, second] = [connect({ uid: 'ana' }), connect({ uid: 'ana' })];
	assert.equal(allowedOf(700, () => rates.method(first))[0], 600);
	assert.equal(allowedOf(700, () => rates.method(second))[0], 600);
	rates.closed(first);
	rates.closed(second);
	assert.equal(allowedOf(1, () => rates.method(connect({ uid: 'ana', userAgent: 'phone' })))[0], 1);
	assert.equal(allowedOf(1, () => rates.method(connect({ uid: 'ana', address: '10.0.0.2' })))[0], 1);
	assert.equal(allowedOf(1, () => rates.method(connect({ uid: 'ana' })))[0], 0);
	assert.equal(allowedOf(1, () => rates.method(connect({ uid: 'ana' })))[0], 0);
	assert.equal(allowedOf(1, () => rates.method(connect({ uid: 'ana' })))[0], 1);
});

test('what a connection did before its login counts with what its predecessor owes', () => {
	const { rates, connect } = rig({ DDP_Rate_Limit_Connection_Requests_Allowed: 10 });
	const first = connect({ uid: 'ana' });
	assert.equal(allowedOf(6, () => rates.method(first))[0], 6);
	rates.closed(first);
	const again: { actor: { uid: string } | null } & ReturnType<typeof connect> = connect();
	assert.equal(allowedOf(2, () => rates.method(again))[0], 2);
	again.actor = { uid: 'ana' };
	assert.equal(allowedOf(9, () => rates.method(again))[0], 2);
});

test('the start of the biggest clients meets no limit, several times in a row', () => {
	const { rates, connect, clock } = rig();
	for (let time = 0; time < 5; time++) {
		const web = connect();
		rates.method(web);
		rates.localMethod(web, 'login');
		const loggedIn = Object.assign(web, { actor: { uid: 'ana' } });
		for (let n = 0; n < 25; n++) rates.sub(loggedIn);
		for (let n = 0; n < 30; n++) rates.method(loggedIn);
		rates.localMethod(loggedIn, 'UserPresence:online');
		rates.closed(loggedIn);
		clock.at += 3_000;
	}
});

test('buckets are gone once they are full: idle and closed connections take no memory', () => {
	const { rates, connect, clock } = rig();
	for (let n = 0; n < 100; n++) {
		const one = connect({ uid: `user${n}` });
		rates.method(one);
		rates.sub(one);
		assert.ok(rates.mayEmit(one, 'GENERAL'));
		if (n % 2 === 0) rates.closed(one);
	}
	assert.equal(rates.size, 100);
	clock.at += 100_000;
	rates.method(connect());
	assert.equal(rates.size, 1);
});

test('names of any length cost no more than short ones', () => {
	const { rates, connect } = rig();
	const ana = connect();
	const long = (n: number) => `stream-${String(n).padStart(5_000, 'x')}`;
	let n = 0;
	assert.equal(allowedOf(99, () => rates.localMethod(ana, long(n++)))[0], 40);
});

test('typing: 4 a second in each room', () => {
	const { rates, connect, clock } = rig();
	const ana = connect({ uid: 'ana' });
	const sent = (rid: string) => [0, 1, 2, 3, 4, 5].filter(() => rates.mayEmit(ana, rid)).length;
	assert.equal(sent('a'), 4);
	assert.equal(sent('b'), 4);
	clock.at += 500;
	assert.equal(sent('a'), 2);
});
