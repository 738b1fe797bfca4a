/** What IMAP is told by the configuration, for one listener: plain data. */

export interface ImapDialogueOptions {
  /** In postern's own replies. */
  readonly hostname: string;
  /** What a banned client is told; null: words of ours. */
  readonly banText: string | null;
  /** Whose the client's STARTTLS is: the server's, ours, or nobody's, as TLS has begun already. */
  readonly startTls: "passed" | "offered" | "begun";
  /** No login passes before TLS has begun here. */
  readonly loginNeedsTls: boolean;
}
