/**
 * A server that knows SMTP's order and nothing else, strict about every byte: what a watch is held against. It keeps all
 * that it has heard as one text, and reads it as the RFCs say, line by line, with nothing shared with what it tests.
 */
export class ModelServer {
  /** The messages that it has taken. */
  readonly messages: string[] = [];
  /** Commands in their order, by their first word. */
  readonly commands: string[] = [];
  #unread = "";
  #mode: "command" | "data" | "auth" = "command";
  #mail = false;
  #recipients = 0;
  #chunks = "";

  /** Its replies to what `text` completes. */
  hear(text: string): string {
    this.#unread += text;
    let replies = "";
    for (let reply = this.#step(); reply !== null; reply = this.#step()) replies += reply;
    return replies;
  }

  #step(): string | null {
    if (this.#mode === "data") return this.#data();
    const end = this.#unread.indexOf("\r\n");
    if (end < 0) return null;
    const line = this.#unread.slice(0, end);
    const [, octets = "0", last] = /^BDAT (\d+)( LAST)?$/.exec(line) ?? [];
    const rest = end + 2 + Number(octets);
    if (this.#unread.length < rest) return null;
    const chunk = this.#unread.slice(end + 2, rest);
    this.#unread = this.#unread.slice(rest);
    if (this.#mode === "auth") {
      this.#mode = "command";
      return "535 5.7.8 no\r\n";
    }
    this.commands.push(line.split(" ")[0]!);
    return line.startsWith("BDAT") ? this.#chunk(chunk, last !== undefined) : this.#command(line);
  }

  #data(): string | null {
    const end = `\r\n${this.#unread}`.indexOf("\r\n.\r\n");
    if (end < 0) return null;
    this.#mode = "command";
    const message = this.#unread.slice(0, end);
    this.#unread = this.#unread.slice(end + 3);
    return this.#take(message);
  }

  #chunk(chunk: string, last: boolean): string {
    if (this.#recipients === 0) return "503 5.5.1 need RCPT\r\n";
    this.#chunks += chunk;
    return last ? this.#take(this.#chunks) : "250 2.0.0 more\r\n";
  }

  #take(message: string): string {
    this.#reset();
    if (message.includes("spam")) return "550-5.7.1 This is\r\n550 5.7.1 spam\r\n";
    this.messages.push(message);
    return "250 2.0.0 queued\r\n";
  }

  #command(line: string): string {
    switch (line.split(" ")[0]) {
      case "EHLO":
        this.#reset();
        return "250-model\r\n250-XFORWARD NAME\r\n250-CHUNKING\r\n250 XCLIENT ADDR\r\n";
      case "MAIL":
        if (this.#mail) return "503 5.5.1 nested\r\n";
        this.#mail = true;
        return "250 2.1.0 Ok\r\n";
      case "RCPT":
        if (!this.#mail) return "503 5.5.1 need MAIL\r\n";
        if (line.includes("nobody")) return "550-5.1.1 nobody\r\n550 5.1.1 there\r\n";
        this.#recipients++;
        return "250 2.1.5 Ok\r\n";
      case "DATA":
        if (this.#recipients === 0) return "554 5.5.1 no valid recipients\r\n";
        this.#mode = "data";
        return "354 go\r\n";
      case "AUTH":
        this.#mode = "auth";
        return "334 VXNlcm5hbWU6\r\n";
      case "RSET":
        this.#reset();
        return "250 2.0.0 Ok\r\n";
      default:
        return "250 2.0.0 Ok\r\n";
    }
  }

  #reset(): void {
    this.#mail = false;
    this.#recipients = 0;
    this.#chunks = "";
  }
}
