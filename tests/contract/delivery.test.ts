import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeDelivery } from './delivery.ts';
import type { Heard, LastingClient } from './lasting-client.ts';

const posts = ['a', 'b', 'c', 'd'].map((id, n) => ({ id, rid: 'r', author: 'ana', n }));

/** `a` heard live, `(a)` read, `a2` another version; `|` another connection. */
function client(story: string): LastingClient {
	let connection = 1;
	const heard = story.split(' ').flatMap((word): Heard[] => {
		if (word === '|') connection += 1;
		const id = /[a-z]/.exec(word)?.[0];
		if (id === undefined) return [];
		const version = Number(/\d/.exec(word)?.[0] ?? 1);
		return [{ id, version, from: word.startsWith('(') ? 'history' : 'live', connection }];
	});
	return { rid: 'r', heard, has: (id: string) => heard.some((entry) => entry.id === id) } as unknown as LastingClient;
}

const cases: [what: string, stories: string[], found: object][] = [
	['all in order', ['a b c d', 'a b c d'], {}],
	['a gap that was read', ['a | (a) (b) (c) d'], {}],
	['a replay that begins before the end', ['a b | a b c d'], {}],
	['a message that never came', ['a c d'], { lost: 1 }],
	['against the order of the author', ['b a c d'], { misordered: 1 }],
	['the same twice on one connection', ['a a b c d'], { doubled: 1 }],
	['read and then heard', ['(a) (b) a b c d'], {}],
	['a second version', ['a b a2 c d'], { versions: 1 }],
];

for (const [what, stories, found] of cases) {
	test(`what clients heard is judged: ${what}`, () => {
		const clean = { deliveries: 4 * stories.length, lost: 0, misordered: 0, doubled: 0, versions: 0 };
		assert.deepEqual(judgeDelivery(stories.map(client), posts), { ...clean, ...found });
	});
}

test('two clients that heard different orders contradict each other, whoever is right', () => {
	const byMany = posts.map((post) => ({ ...post, author: post.id }));
	assert.equal(judgeDelivery([client('a b c d'), client('a | b c d')], byMany).misordered, 0);
	assert.ok(judgeDelivery([client('a b c d'), client('a c b d')], byMany).misordered > 0);
});
