#!/usr/bin/env node
// The command `rookery`. Plain JavaScript that any Node since 12 can read: it finds a Node that runs the server, which
// needs 24.18 or newer, and hands over to it.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const wanted = [24, 18];

/** @param {string} version */
function isNewEnough(version) {
	const [major, minor] = version.split('.').map(Number);
	return major > wanted[0] || (major === wanted[0] && minor >= wanted[1]);
}

/** The Node that `npm ci` put beside the sources, or undefined. */
function ownNode() {
	const name = process.platform === 'win32' ? 'node.exe' : 'node';
	const folder = { linux: 'linux', win32: 'win' }[process.platform];
	const places = [join(here, 'node_modules', `node-${folder}-${process.arch}`, 'bin', name)];
	if (process.platform !== 'win32') places.push(join(here, 'node_modules', '.bin', name));
	return places.find((place) => existsSync(place));
}

/**
 * Settings of the C library for processes that are started from here: what large reads have freed goes back to the
 * system. A streamer with 10,000 people takes a fifth less memory so. They are read when a process starts; whoever sets
 * one himself keeps it.
 */
function tuneAllocator() {
	const file = join(here, 'allocator.json');
	const settings = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
	for (const name of Object.keys(settings)) {
		if (process.env[name] === undefined) process.env[name] = settings[name];
	}
}

/** Runs this command again under another Node, with the same terminal, signals and exit code. */
function handOver(node) {
	const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
		stdio: 'inherit',
		env: { ...process.env, ROOKERY_NODE_CHOSEN: '1' },
	});
	// A terminal sends Ctrl-C to both; what is sent to this process alone goes on to the child.
	for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT']) {
		process.on(signal, () => {
			if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
		});
	}
	child.on('error', (error) => {
		console.error(`rookery: ${node} cannot be started: ${error.message}`);
		process.exit(1);
	});
	child.on('exit', (code, signal) => process.exit(signal === null ? code : 128 + constants.signals[signal]));
}

tuneAllocator();
if (isNewEnough(process.versions.node)) {
	const { enableCompileCache } = await import('node:module');
	// The sources are compiled once and not at every start: half the time and memory of a start. It stays in the checkout.
	enableCompileCache(process.env.NODE_COMPILE_CACHE ?? join(here, 'node_modules', '.cache', 'rookery'));
	await import('./packages/server/src/main.ts');
} else {
	const node = process.env.ROOKERY_NODE_CHOSEN === undefined ? ownNode() : undefined;
	if (node === undefined) {
		console.error(
			`rookery needs Node ${wanted.join('.')} or newer, this is ${process.versions.node}: run \`npm ci\` in ${here}, or install Node 24.`,
		);
		process.exit(1);
	}
	handOver(node);
}
