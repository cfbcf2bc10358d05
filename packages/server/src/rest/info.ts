import { release, totalmem, freemem, cpus } from 'node:os';
import type { Actor } from '../services/contracts.ts';
import type { CoreServices } from '../services/core.ts';
import { route } from './route.ts';

/** Older apps are told to update. */
const minimumClientVersions = { desktop: '3.9.6', mobile: '4.39.0' };

type Input = { actor: Actor | null; services: CoreServices };

/**
 * What the workspace says of itself: the first call of every client. The version is that of the protocol spoken
 * (`ROOKERY_COMPAT_VERSION`), not our own; `supportedVersions` is left out, because the official apps stumble over one
 * that is not signed by its vendor.
 *
 * @see REST contract, 12
 */
async function answer({ actor, services }: Input): Promise<object> {
	const full = threeParts(services.server.compatVersion);
	const maySeeAll =
		actor !== null && (await services.authorization.hasAny(actor.uid, ['get-server-info', 'view-statistics']));
	if (!maySeeAll) return { version: full.split('.').slice(0, 2).join('.'), minimumClientVersions };
	return { version: full, info: { version: full, build: build() }, minimumClientVersions };
}

/** `/api/info` */
export const apiInfo = route({
	get: '/api/info',
	summary: 'Version of the server',
	auth: 'optional',
	rate: 'none',
	run: answer,
});

/** `info`: the same, under its deprecated name. */
export const info = route({
	get: 'info',
	summary: 'Version of the server (deprecated name)',
	auth: 'optional',
	rate: 'none',
	run: answer,
});

/** `8.6` becomes `8.6.0`: clients split it into three. */
function threeParts(version: string): string {
	return version.split('.').length >= 3 ? version : `${version}.0`;
}

function build(): object {
	return {
		nodeVersion: process.version,
		arch: process.arch,
		platform: process.platform,
		osRelease: release(),
		totalMemory: totalmem(),
		freeMemory: freemem(),
		cpus: cpus().length,
	};
}
