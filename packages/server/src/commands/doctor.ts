import { diagnoseNats } from '../bus/diagnosis.ts';
import { readConfig, type Config } from '../platform/config.ts';
import { isAtLeast, type Finding } from '../platform/finding.ts';
import { diagnoseDatabase } from '../repositories/diagnosis.ts';
import { mongoUrlProblem } from '../repositories/mongo-url.ts';
import { runningMongo } from './servers.ts';

/** Official apps refuse servers whose version has not been supported for long. */
const maxVersionAgeDays = 183;

/** The version this release was made for, a release of the summer of 2026. */
const known = { version: '8.6', published: '2026-07-01' };

/**
 * `rookery doctor`: looks at the deployment that the environment describes and prints one line a finding.
 *
 * @returns The exit code: 1 when there is an error.
 */
export async function doctor(): Promise<number> {
	const config = readConfig(process.env);
	const findings = [
		...(await database(config)),
		...(await bus(config)),
		...proxies(config),
		...compatVersion(config.compatVersion, Date.now()),
	];
	for (const { level, text } of findings) process.stdout.write(`${level.padEnd(6)}${text}\n`);
	return findings.some(({ level }) => level === 'error') ? 1 : 0;
}

async function database(config: Config): Promise<Finding[]> {
	const problem = config.mongoUrl === null ? null : mongoUrlProblem(config.mongoUrl);
	if (problem !== null) return [{ level: 'error', text: `MONGO_URL: ${problem}` }];
	const url = config.mongoUrl ?? (await runningMongo(config));
	if (url !== null) return diagnoseDatabase(url, { now: Date.now });
	return [
		{
			level: 'error',
			text: `MONGO_URL is not set, and no \`rookery up\` runs on the data in ${config.dataDirectory}`,
		},
	];
}

async function bus({ transporter }: Config): Promise<Finding[]> {
	if (transporter !== null) return diagnoseNats(transporter);
	return [{ level: 'ok', text: 'TRANSPORTER is not set: `rookery up` needs no NATS' }];
}

function proxies({ rootUrl, forwardedCount }: Config): Finding[] {
	if (rootUrl === null || !rootUrl.startsWith('https:') || forwardedCount > 0) return [];
	const text =
		'ROOT_URL is https, so a proxy stands in front, but HTTP_FORWARDED_COUNT is 0: every client seems to come from the proxy';
	return [{ level: 'warn', text }];
}

/**
 * Whether the version clients are told may be too old for the official apps.
 *
 * @param now ms since 1970
 */
export function compatVersion(version: string, now: number): Finding[] {
	const ageDays = Math.floor((now - Date.parse(known.published)) / 86_400_000);
	const isNewer = isAtLeast(version, known.version) && !version.startsWith(known.version);
	if (isNewer || (isAtLeast(version, known.version) && ageDays <= maxVersionAgeDays)) {
		return [{ level: 'ok', text: `clients are told version ${version}` }];
	}
	const why = isAtLeast(version, known.version) ? 'it is older than six months' : `it is older than ${known.version}`;
	const text = `clients are told version ${version}: official apps may refuse it (${why}); raise ROOKERY_COMPAT_VERSION`;
	return [{ level: 'warn', text }];
}
