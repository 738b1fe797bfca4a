/** What the limits are told by the configuration: plain data, one set of limits under a name. */

export interface LimitOptions {
  /** Length of the window, in whole seconds (Postfix `anvil_rate_time_unit`). */
  readonly timeUnitSeconds: number;
  /** Connections of one client at the same time; 0 = off (Postfix `smtpd_client_connection_count_limit`). */
  readonly connectionCount: number;
  /** Connections of one client in a window; 0 = off (Postfix `smtpd_client_connection_rate_limit`). */
  readonly connectionRate: number;
  /** MAIL commands of one client in a window; 0 = off (Postfix `smtpd_client_message_rate_limit`). */
  readonly messageRate: number;
  /** RCPT commands of one client in a window; 0 = off (Postfix `smtpd_client_recipient_rate_limit`). */
  readonly recipientRate: number;
  /** AUTH commands of one client in a window; 0 = off (Postfix `smtpd_client_auth_rate_limit`). */
  readonly authRate: number;
  /** New TLS sessions of one client in a window; 0 = off (Postfix `smtpd_client_new_tls_session_rate_limit`). */
  readonly newTlsSessionRate: number;
  /** Failed logins of one client in a window, after which no further one is tried; 0 = off. Postern's own. */
  readonly authFailureRate: number;
  /** For how long a client is not heard after its first failed login in a window, twice as long after each; 0 = off. */
  readonly authFailureDelayMs: number;
  /** Networks that are never limited (Postfix `smtpd_client_event_limit_exceptions`). */
  readonly exceptions: readonly string[];
  /** How many leading bits of an address make one client (Postfix `smtpd_client_ipv4_prefix_length`). */
  readonly ipv4PrefixLength: number;
  readonly ipv6PrefixLength: number;
  /** Whose counters; null: the listener's own. */
  readonly scope: string | null;
  /** Count, log and measure, but refuse nothing. */
  readonly dryRun: boolean;
}
