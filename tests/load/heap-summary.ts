/** What the objects of one constructor take, all together, in bytes. */
export type HeapClass = {
	name: string;
	count: number;
	/** Of the objects alone. */
	shallow: number;
	/** Of all that would go with them, each object counted with the outermost of the class. */
	retained: number;
};

/** Kinds of nodes that are parts of the object that holds them. */
const partTypes = new Set([
	'array',
	'hidden',
	'number',
	'string',
	'concatenated string',
	'sliced string',
	'object shape',
]);

type Snapshot = {
	snapshot: { meta: { node_fields: string[]; node_types: unknown[]; edge_fields: string[]; edge_types: unknown[] } };
	nodes: number[];
	edges: number[];
	strings: string[];
};

/** A heap as flat tables: node after node. */
type Graph = {
	count: number;
	/** Where the edges of a node begin, in edges; one more than nodes. */
	first: Uint32Array;
	to: Uint32Array;
	size: Float64Array;
	nameOf: (node: number) => string;
	/** No object of its own for who reads: tables of maps, elements of arrays, texts. */
	isPart: (node: number) => boolean;
};

/**
 * Sums a heap snapshot up by constructor.
 *
 * @param chunks The JSON in pieces, as the inspector sends it.
 */
export function summarizeHeap(chunks: string[]): HeapClass[] {
	const graph = readGraph(JSON.parse(chunks.join('')) as Snapshot);
	const { order, dominator } = dominators(graph);
	const retained = Float64Array.from(graph.size);
	for (let place = order.length - 1; place > 0; place--) {
		const node = order[place] ?? 0;
		const parent = dominator[node] ?? 0;
		retained[parent] = (retained[parent] ?? 0) + (retained[node] ?? 0);
	}
	const classes = new Map<string, HeapClass>();
	const names = Array.from({ length: graph.count }, () => '');
	// Holders come before what they hold.
	for (const node of order) {
		const holder = dominator[node] ?? 0;
		if (!graph.isPart(node)) names[node] = graph.nameOf(node);
		else if (holder === 0) names[node] = `${graph.nameOf(node)} held by many`;
		else names[node] = names[holder]?.startsWith('parts of ') ? (names[holder] ?? '') : `parts of ${names[holder]}`;
	}
	/** Whether the node is within another one of its class: it is counted there. */
	const isWithin = (node: number, name: string): boolean => {
		let above = dominator[node] ?? 0;
		for (let steps = 0; above !== 0 && steps < 40; steps++, above = dominator[above] ?? 0) {
			if (names[above] === name) return true;
		}
		return false;
	};
	for (const node of order) {
		const name = names[node] ?? '';
		let entry = classes.get(name);
		if (entry === undefined) classes.set(name, (entry = { name, count: 0, shallow: 0, retained: 0 }));
		entry.count += 1;
		entry.shallow += graph.size[node] ?? 0;
		if (!isWithin(node, name)) entry.retained += retained[node] ?? 0;
	}
	return [...classes.values()];
}

function readGraph({ snapshot: { meta }, nodes, edges, strings }: Snapshot): Graph {
	const at = (name: string): number => meta.node_fields.indexOf(name);
	const width = meta.node_fields.length;
	const [typeAt, nameAt, sizeAt, edgesAt] = [at('type'), at('name'), at('self_size'), at('edge_count')];
	const types = meta.node_types[typeAt] as string[];
	const edgeTypes = meta.edge_types[meta.edge_fields.indexOf('type')] as string[];
	const edgeWidth = meta.edge_fields.length;
	const [edgeTypeAt, keyAt, toAt] = ['type', 'name_or_index', 'to_node'].map((field) =>
		meta.edge_fields.indexOf(field),
	) as [number, number, number];
	const count = nodes.length / width;
	const first = new Uint32Array(count + 1);
	const size = new Float64Array(count);
	for (let node = 0; node < count; node++) {
		size[node] = nodes[node * width + sizeAt] ?? 0;
		first[node + 1] = (first[node] ?? 0) + (nodes[node * width + edgesAt] ?? 0);
	}
	const to = new Uint32Array(edges.length / edgeWidth);
	for (let edge = 0; edge < to.length; edge++) {
		const isWeak = edgeTypes[edges[edge * edgeWidth + edgeTypeAt] ?? 0] === 'weak';
		// What holds nothing points at the root, which everything is below anyway.
		to[edge] = isWeak ? 0 : (edges[edge * edgeWidth + toAt] ?? 0) / width;
	}
	const typeOf = (node: number): string => types[nodes[node * width + typeAt] ?? 0] ?? '';
	const ownName = (node: number): string => (strings[nodes[node * width + nameAt] ?? 0] ?? '').slice(0, 60);
	/** Names of what a node holds by name: they tell plain objects and contexts apart. */
	const keysOf = (node: number, edgeType: string): string => {
		const keys: string[] = [];
		for (let edge = first[node] ?? 0; edge < (first[node + 1] ?? 0) && keys.length < 12; edge++) {
			if (edgeTypes[edges[edge * edgeWidth + edgeTypeAt] ?? 0] !== edgeType) continue;
			const key = strings[edges[edge * edgeWidth + keyAt] ?? 0] ?? '';
			if (key !== '__proto__') keys.push(key);
		}
		return keys.join();
	};
	const nameOf = (node: number): string => {
		const type = typeOf(node);
		if (type === 'closure') return `closure ${ownName(node)}`;
		if (type === 'object' && ownName(node) === 'Object') return `{${keysOf(node, 'property')}}`;
		if (ownName(node) === 'system / Context') return `context {${keysOf(node, 'context')}}`;
		if (type === 'object' || type === 'native') return ownName(node);
		return `(${type})`;
	};
	const isPart = (node: number): boolean => partTypes.has(typeOf(node)) && !ownName(node).endsWith('Context');
	return { count, first, to, size, nameOf, isPart };
}

/**
 * Who holds each node alone.
 *
 * @returns Nodes that can be reached, each after its dominator, and the dominators.
 * @see Cooper, Harvey, Kennedy: A Simple, Fast Dominance Algorithm
 */
function dominators({ count, first, to }: Graph): { order: Uint32Array; dominator: Uint32Array } {
	const { order, place } = reversePostorder({ count, first, to });
	const { from, firstFrom } = turned({ count, first, to });
	const unknown = 0xffff_ffff;
	const dominator = new Uint32Array(count).fill(unknown);
	dominator[0] = 0;
	const meet = (a: number, b: number): number => {
		let [one, other] = [a, b];
		while (one !== other) {
			while ((place[one] ?? 0) > (place[other] ?? 0)) one = dominator[one] ?? 0;
			while ((place[other] ?? 0) > (place[one] ?? 0)) other = dominator[other] ?? 0;
		}
		return one;
	};
	for (let hasChanged = true; hasChanged;) {
		hasChanged = false;
		for (let index = 1; index < order.length; index++) {
			const node = order[index] ?? 0;
			let found = unknown;
			for (let edge = firstFrom[node] ?? 0; edge < (firstFrom[node + 1] ?? 0); edge++) {
				const before = from[edge] ?? 0;
				if (dominator[before] === unknown) continue;
				found = found === unknown ? before : meet(before, found);
			}
			if (dominator[node] === found) continue;
			dominator[node] = found;
			hasChanged = true;
		}
	}
	return { order, dominator };
}

type Edges = Pick<Graph, 'count' | 'first' | 'to'>;

function reversePostorder({ count, first, to }: Edges): { order: Uint32Array; place: Uint32Array } {
	const isSeen = new Uint8Array(count);
	const stack = new Uint32Array(count);
	const next = Uint32Array.from(first);
	const finished = new Uint32Array(count);
	let [depth, done] = [1, 0];
	isSeen[0] = 1;
	while (depth > 0) {
		const node = stack[depth - 1] ?? 0;
		const edge = next[node] ?? 0;
		if (edge >= (first[node + 1] ?? 0)) {
			finished[done++] = node;
			depth -= 1;
			continue;
		}
		next[node] = edge + 1;
		const target = to[edge] ?? 0;
		if (isSeen[target] === 1) continue;
		isSeen[target] = 1;
		stack[depth++] = target;
	}
	const order = finished.slice(0, done).toReversed();
	const place = new Uint32Array(count);
	for (const [index, node] of order.entries()) place[node] = index;
	return { order, place };
}

/** The same edges from their other end. */
function turned({ count, first, to }: Edges): { from: Uint32Array; firstFrom: Uint32Array } {
	const firstFrom = new Uint32Array(count + 1);
	for (const target of to) firstFrom[target + 1] = (firstFrom[target + 1] ?? 0) + 1;
	for (let node = 0; node < count; node++) firstFrom[node + 1] = (firstFrom[node + 1] ?? 0) + (firstFrom[node] ?? 0);
	const next = Uint32Array.from(firstFrom);
	const from = new Uint32Array(to.length);
	for (let node = 0; node < count; node++) {
		for (let edge = first[node] ?? 0; edge < (first[node + 1] ?? 0); edge++) {
			const target = to[edge] ?? 0;
			const at = next[target] ?? 0;
			from[at] = node;
			next[target] = at + 1;
		}
	}
	return { from, firstFrom };
}

const shownClasses = 60;

/** What has come to a heap, class by class. */
export function heapGrowth(before: HeapClass[], after: HeapClass[]): HeapClass[] {
	const old = new Map(before.map((entry) => [entry.name, entry]));
	return after.map(({ name, count, shallow, retained }) => {
		const was = old.get(name) ?? { count: 0, shallow: 0, retained: 0 };
		return { name, count: count - was.count, shallow: shallow - was.shallow, retained: retained - was.retained };
	});
}

/** The largest classes as text, by session. */
export function describeHeap(classes: HeapClass[], sessions: number): string {
	const total = classes.reduce((sum, { shallow }) => sum + shallow, 0);
	const line = ({ name, count, shallow, retained }: HeapClass): string =>
		[
			(shallow / sessions).toFixed(0).padStart(9),
			(retained / sessions).toFixed(0).padStart(9),
			(count / sessions).toFixed(2).padStart(9),
			` ${name}`,
		].join(' ');
	const table = (title: string, by: 'shallow' | 'retained'): string[] => [
		title,
		'  shallow  retained     count  constructor',
		...classes
			.toSorted((a, b) => b[by] - a[by])
			.slice(0, shownClasses)
			.map(line),
		'',
	];
	return [
		`heap grew by ${total} bytes, ${(total / sessions).toFixed(0)} by each of ${sessions} sessions`,
		'',
		...table('by what the objects take themselves, bytes by session', 'shallow'),
		...table('by what goes with them, bytes by session', 'retained'),
	].join('\n');
}
