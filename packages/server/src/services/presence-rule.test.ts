import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, assert as forAll, constantFrom, option, property } from 'fast-check';
import type { UserStatus } from '@rookery/protocol/records.ts';
import { statusOfConnections, visibleStatus, type ConnectionStatus } from './presence-rule.ts';

const connection = constantFrom<ConnectionStatus>('online', 'away', 'busy');
const connections = array(connection, { maxLength: 8 });
const chosen = option(constantFrom<UserStatus>('online', 'away', 'busy', 'offline'), { nil: undefined });

test('the rule of the contract, line by line', () => {
	const cases: [ConnectionStatus[], UserStatus | undefined, UserStatus, UserStatus][] = [
		[[], undefined, 'offline', 'offline'],
		[[], 'online', 'offline', 'offline'],
		[[], 'busy', 'offline', 'offline'],
		[['online'], undefined, 'online', 'online'],
		[['away'], undefined, 'away', 'away'],
		[['away', 'online'], 'online', 'online', 'online'],
		[['online', 'away'], undefined, 'online', 'online'],
		[['busy', 'away'], undefined, 'away', 'away'],
		[['away', 'busy'], undefined, 'busy', 'busy'],
		[['away'], 'busy', 'away', 'busy'],
		[['online'], 'away', 'online', 'away'],
		[['online', 'away'], 'offline', 'online', 'offline'],
	];
	for (const [list, choice, expectedConnection, expectedStatus] of cases) {
		const status = statusOfConnections(list);
		assert.equal(status, expectedConnection, list.join());
		assert.equal(visibleStatus(status, choice), expectedStatus, `${list.join()} with ${choice}`);
	}
	assert.equal(visibleStatus('online', null), 'online');
});

test('offline exactly without a connection; online exactly with an online one', () => {
	forAll(
		property(connections, (list) => {
			const status = statusOfConnections(list);
			assert.equal(status === 'offline', list.length === 0);
			assert.equal(status === 'online', list.includes('online'));
		}),
	);
});

test('nobody is seen as anything but offline without a connection, whatever he chose', () => {
	forAll(property(chosen, (choice) => visibleStatus('offline', choice) === 'offline'));
});

test('a choice other than online hides what the connections do', () => {
	forAll(
		property(connections, connections, chosen, (before, after, choice) => {
			if (choice === undefined || choice === 'online' || before.length === 0 || after.length === 0) return;
			const [first, second] = [statusOfConnections(before), statusOfConnections(after)];
			assert.equal(visibleStatus(first, choice), visibleStatus(second, choice));
			assert.equal(visibleStatus(first, choice), choice);
		}),
	);
});

test('one more online connection never makes a status lower, and one less never makes it online', () => {
	forAll(
		property(connections, (list) => {
			assert.equal(statusOfConnections([...list, 'online']), 'online');
			const without = list.filter((status) => status !== 'online');
			assert.notEqual(statusOfConnections(without), 'online');
		}),
	);
});
