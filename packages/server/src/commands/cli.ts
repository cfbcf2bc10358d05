import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { variables, type Variable } from '../platform/config-variables.ts';
import { problemText } from './run.ts';
import { ownVersion } from './version.ts';

/**
 * The command `rookery`: reads the arguments, does what they say and sets the exit code. Nothing of the server is loaded
 * before it is known which command is meant.
 *
 * @param argv As `process.argv`.
 */
export async function runCommand(argv: string[]): Promise<void> {
	try {
		await program().parseAsync(argv);
	} catch (error) {
		if (error instanceof CommanderError) {
			process.exitCode = error.exitCode;
			return;
		}
		const problem = problemText(error);
		process.stderr.write(`${problem ?? (error instanceof Error ? (error.stack ?? error.message) : String(error))}\n`);
		process.exitCode = 1;
	}
}

/** The table of commands. Throws instead of exiting, so that it can be tested. */
export function program(): Command {
	const rookery = new Command('rookery')
		.description('A free team-chat server for the clients, bots and database of Rocket.Chat.')
		.version(ownVersion(), '-v, --version', 'print the version of Rookery')
		.helpCommand('help [command]', 'print the help of a command')
		.showHelpAfterError('(--help tells what there is)')
		.exitOverride()
		.addHelpText('after', () => `\n${examples}\n\n${variableList()}`);
	addRunning(rookery);
	addDoctor(rookery);
	addUser(rookery);
	addMigrate(rookery);
	return rookery;
}

const examples = `Examples:
  rookery up                             a chat server at http://localhost:3000, nothing else needed
  PORT=8080 rookery up                   on another port
  rookery up --separate --streamers 2    as seven processes over NATS
  rookery doctor                         what is wrong with this deployment
  rookery user create --username ana --email ana@example.com --admin`;

function addRunning(rookery: Command): void {
	rookery
		.command('up')
		.summary('run everything on this machine')
		.description(
			'Runs the whole chat server: in one process, or with --separate as six processes over NATS that are started again ' +
				'when they die. A MongoDB (and NATS) of its own is found or fetched unless MONGO_URL (and TRANSPORTER) is set.',
		)
		.option('--separate', 'run the six services as processes of their own, behind one port')
		.option('--streamers <n>', 'with --separate: number of ddp-streamers', countOf, 1)
		.option('--cores <n>', 'with --separate: number of cores', countOf, 1)
		.addHelpText(
			'after',
			`
Examples:
  rookery up
  ADMIN_USERNAME=admin ADMIN_PASS='a good password' ADMIN_EMAIL=you@example.com rookery up
  MONGO_URL='mongodb://db/rocketchat?replicaSet=rs01' rookery up --separate --streamers 2

Ctrl-C (or SIGTERM) stops it cleanly. All variables: rookery --help`,
		)
		.action(async ({ separate, streamers, cores }: { separate?: true; streamers: number; cores: number }) => {
			if (separate === true) await (await import('./separate.ts')).upSeparate({ streamers, cores });
			else await (await import('./up.ts')).up();
		});
	rookery
		.command('start')
		.summary('run one process of a deployment')
		.description(
			'Runs one process in the foreground. MONGO_URL and TRANSPORTER must be set; run as many of each as you like.',
		)
		.argument('<process>', 'core, accounts, authorization, ddp-streamer, presence or stream-hub')
		.addHelpText(
			'after',
			`
Also known by the names of Rocket.Chat's guide: accounts-service, authorization-service, presence-service,
mongodb-stream-hub.

Examples:
  MONGO_URL='mongodb://db/rocketchat?replicaSet=rs01' TRANSPORTER=nats://nats:4222 rookery start core
  ... METRICS_PORT=9459 rookery start stream-hub      /livez, /readyz and /metrics on another port`,
		)
		.action(async (name: string) => (await import('./start.ts')).start(name));
}

function addDoctor(rookery: Command): void {
	rookery
		.command('doctor')
		.summary('check a deployment')
		.description(
			'Looks at the MongoDB of MONGO_URL and the NATS of TRANSPORTER: one line a finding. Exit code 1 on errors.',
		)
		.addHelpText(
			'after',
			`
Examples:
  rookery doctor                                                     the MongoDB of a running \`rookery up\`
  MONGO_URL='mongodb://db/rocketchat?replicaSet=rs01' TRANSPORTER=nats://nats:4222 rookery doctor`,
		)
		.action(async () => {
			process.exitCode = await (await import('./doctor.ts')).doctor();
		});
}

function addUser(rookery: Command): void {
	const user = rookery
		.command('user')
		.summary('people, without the web')
		.description('Works on the database of MONGO_URL, else on that of `rookery up`, whether it runs or not.');
	user
		.command('create')
		.summary('make an account')
		.description('Makes an account. Without --password and --password-stdin the password is asked for.')
		.requiredOption('--username <name>', 'the name to log in with and to be mentioned by')
		.option('--email <address>', 'counts as verified')
		.option('--name <text>', 'the full name')
		.option('--password <text>', 'visible in the list of processes: better use --password-stdin')
		.option('--password-stdin', 'read the password from standard input')
		.option('--admin', 'make it an administrator')
		.addHelpText(
			'after',
			`
Examples:
  rookery user create --username ana --email ana@example.com --name 'Ana Lima' --admin
  pass show chat/ana | rookery user create --username ana --email ana@example.com --password-stdin`,
		)
		.action(async (options: object) => (await import('./user.ts')).createUser(options));
	user
		.command('set-password')
		.summary('give an account a new password')
		.description('Sets a password. Every login of the account ends.')
		.argument('<username>', 'whose')
		.option('--password <text>', 'visible in the list of processes: better use --password-stdin')
		.option('--password-stdin', 'read the password from standard input')
		.addHelpText('after', '\nExample:\n  rookery user set-password ana')
		.action(async (name: string, options: object) => (await import('./user.ts')).setPassword(name, options));
	user
		.command('list')
		.summary('list the accounts')
		.description('Prints name, e-mail address, roles and state of every account, ordered by name.')
		.option('--json', 'one JSON object a line')
		.addHelpText('after', '\nExample:\n  rookery user list --json | jq -r .username')
		.action(async (options: { json?: true }) => (await import('./user.ts')).listUsers(options));
}

function addMigrate(rookery: Command): void {
	rookery
		.command('migrate')
		.summary("bring the database's indexes up to date")
		.description(
			'Makes what is missing of indexes and images of changes. Every start does the same; this does only that.',
		)
		.addHelpText('after', "\nExample:\n  MONGO_URL='mongodb://db/rocketchat?replicaSet=rs01' rookery migrate")
		.action(async () => (await import('./migrate.ts')).migrateDatabase());
}

function countOf(text: string): number {
	const count = /^\d{1,2}$/.test(text) ? Number(text) : 0;
	if (count < 1 || count > 32) throw new InvalidArgumentError('It must be a number from 1 to 32.');
	return count;
}

/** Every variable with its meaning and default, for the help. */
function variableList(): string {
	const rows = Object.entries<Variable>(variables).map(([name, { meaning, fallback }]) => {
		return `  ${name.padEnd(31)}${meaning}${fallback === '' ? '' : ` [${fallback}]`}`;
	});
	rows.push(`  ${'OVERWRITE_SETTING_<id>'.padEnd(31)}value of a setting, also when another one is stored`);
	rows.push(`  ${'<id>'.padEnd(31)}value of a setting that is not stored yet`);
	return `Variables [default]:\n${rows.join('\n')}`;
}
