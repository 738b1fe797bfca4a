/**
 * A server that knows IMAP's commands before login and nothing else, strict about every byte: what a watch is held against.
 * It keeps all that it has heard as one text, and reads it as the RFCs say, with nothing shared with what it tests.
 */
export class ModelServer {
  /** Commands in their order, each whole with its literals. */
  readonly commands: string[] = [];
  /** What it has judged: `+ alice`, `- bob`. */
  readonly judged: string[] = [];
  /** What came behind a login that it took. */
  behind = "";
  #unread = "";
  /** The command at hand, as far as it has come; null between two. */
  #command: string | null = null;
  #sasl: string | null = null;
  #isLoggedIn = false;

  /** Its responses to what `text` completes. */
  hear(text: string): string {
    this.#unread += text;
    let responses = "";
    for (let response = this.#step(); response !== null; response = this.#step()) responses += response;
    return responses;
  }

  #step(): string | null {
    if (this.#isLoggedIn) {
      this.behind += this.#unread;
      this.#unread = "";
      return null;
    }
    const wanted = Number(/\{(\d+)\+?\}\r\n$/.exec(this.#command ?? "")?.[1] ?? 0);
    if (this.#unread.length < wanted) return null;
    const end = this.#unread.indexOf("\r\n", wanted);
    if (end < 0) return null;
    const part = this.#unread.slice(0, end + 2);
    this.#unread = this.#unread.slice(part.length);
    if (this.#sasl !== null) return this.#respond(this.#sasl, part);
    this.#command = (this.#command ?? "") + part;
    const [, plus] = /\{\d+(\+?)\}\r\n$/.exec(part) ?? [];
    if (plus !== undefined) return plus === "" ? "+ go on {3}\r\n" : "";
    const command = this.#command;
    this.#command = null;
    this.commands.push(command);
    return this.#answer(command);
  }

  #answer(command: string): string {
    const [tag = "", verb = ""] = command.trimEnd().split(" ");
    switch (verb.toUpperCase()) {
      case "CAPABILITY":
        return `* CAPABILITY IMAP4rev1 ID AUTH=PLAIN\r\n${tag} OK listed\r\n`;
      case "ID":
        return `* ID ("name" {6}\r\na OK\r\n NIL)\r\n${tag} OK done\r\n`;
      case "NOOP":
        return `* OK [ALERT] still {3}\r\n${tag} OK done\r\n`;
      case "LOGIN":
        return this.#judge(tag, this.#nameIn(command), command.includes("right"));
      case "AUTHENTICATE":
        this.#sasl = tag;
        return "+ \r\n";
      default:
        return `${tag} BAD what\r\n`;
    }
  }

  #nameIn(command: string): string {
    const [, quoted, , literal, atom] =
      / LOGIN (?:"([^"]*)"|(\{\d+\+?\}\r\n)(\w*) |(\w+) )/.exec(command) ?? [];
    return quoted ?? literal ?? atom ?? "";
  }

  #respond(tag: string, line: string): string {
    this.#sasl = null;
    if (line === "*\r\n") return `${tag} BAD aborted\r\n`;
    const [, user = "", password = ""] = Buffer.from(line, "base64").toString().split("\0");
    return this.#judge(tag, user, password === "right");
  }

  #judge(tag: string, user: string, isRight: boolean): string {
    if (user === "broken") return `${tag} NO [UNAVAILABLE] later\r\n`;
    this.judged.push(`${isRight ? "+" : "-"} ${user}`);
    this.#isLoggedIn = isRight;
    return isRight ? `${tag} OK [CAPABILITY IMAP4rev1 IDLE] in\r\n` : `${tag} NO wrong\r\n`;
  }
}
