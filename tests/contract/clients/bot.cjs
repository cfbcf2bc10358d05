// A bot on the unmodified @rocket.chat/sdk 0.2.9, as its README shows: answers every message that starts with its name.
const { driver } = require('rocketchat-sdk-bot');

const [host, username, password, room] = process.argv.slice(2);

driver.useLog({ debug() {}, info() {}, warning() {}, warn() {}, error: (...args) => console.error(...args) });

async function main() {
	await driver.connect({ host, useSsl: false, timeout: 20000 });
	const ownId = await driver.login({ username, password });
	await driver.joinRooms([room]);
	await driver.subscribeToMessages();
	await driver.reactToMessages(async (error, message) => {
		if (error || message.u._id === ownId || !message.msg.startsWith(username)) return;
		const name = await driver.getRoomName(message.rid);
		await driver.sendToRoom(`answer to ${message.msg} in ${name}`, name);
		await driver.sendToRoomId(`and by id`, message.rid);
		await driver.sendDirectToUser(`and in private`, message.u.username);
	});
	await driver.sendToRoom('the bot is listening', room);
	process.send('ready');
}

process.on('message', async (message) => {
	if (message === 'stop') {
		await driver.logout().catch(() => undefined);
		await driver.disconnect().catch(() => undefined);
		process.exit(0);
	}
});

main().catch((error) => {
	console.error(error);
	process.exit(1);
});
