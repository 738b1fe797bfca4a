/** Delivery to a mailbox behind an LMTP socket (RFC 2033), as a mail server does it. */
import { createConnection } from "node:net";

/** Delivers a mail to `user`; throws where it is not taken. All is said at once, as the server offers PIPELINING. */
export async function deliver(socketPath: string, user: string, subject: string): Promise<void> {
  const socket = createConnection(socketPath);
  const mail = `Subject: ${subject}\r\n\r\nHello.\r\n.\r\n`;
  socket.write(`LHLO test\r\nMAIL FROM:<>\r\nRCPT TO:<${user}>\r\nDATA\r\n${mail}QUIT\r\n`);
  let said = "";
  for await (const chunk of socket) said += chunk;
  if (!/^250 .* Saved\r\n/m.test(said)) throw new Error(`not delivered: ${said}`);
}
