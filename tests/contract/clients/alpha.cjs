// The unmodified @rocket.chat/sdk 1.0.0-alpha.42: REST and socket, as embedded clients use it.
const { Rocketchat } = require('rocketchat-sdk-alpha');

const [host, username, password, rid] = process.argv.slice(2);
const quiet = { debug() {}, info() {}, warning() {}, warn() {}, error() {} };

async function main() {
	const client = new Rocketchat({ protocol: 'ddp', host, useSsl: false, logger: quiet, reopen: 1000 });
	await client.connect({});
	await client.login({ username, password });
	await client.subscribeRoom(rid);
	await client.subscribeNotifyUser();
	client.onMessage((message) => process.send({ message }));
	// Said after each login that followed a lost connection: everything is subscribed again then.
	(await client.socket).ddp.on('login', () => process.send({ back: true }));
	process.send({ ready: true, userId: client.userId });
	process.on('message', async (command) => {
		try {
			if (command.send) process.send({ sent: await client.sendMessage(command.send, rid) });
			if (command.call) process.send({ result: await client.methodCall(command.call, ...command.params) });
			if (command.stop) {
				await client.disconnect();
				process.exit(0);
			}
		} catch (error) {
			process.send({ error: String(error?.message ?? error), command });
		}
	});
}

main().catch((error) => {
	console.error(error);
	process.exit(1);
});
