/** What SMTP is told by the configuration, for one listener: plain data. */

export interface SmtpDialogueOptions {
  /** In postern's own replies. */
  readonly hostname: string;
  /** What a banned client is told; null: words of ours. */
  readonly banText: string | null;
  /** Whether a client may talk before it was greeted: then it is the server's to judge. */
  readonly earlyTalk: "pass" | "refuse";
  /** A message with a CR or LF that stands alone is refused at its end, or ends the session there and then. */
  readonly bareNewline: "reject" | "close";
  /** Whose the client's STARTTLS is: the server's, ours, or nobody's, as TLS has begun already. */
  readonly startTls: "passed" | "offered" | "begun";
  /** No login passes before TLS has begun here. */
  readonly loginNeedsTls: boolean;
}
