/** The limits that the scripts are made for, as Postfix is told of them, and as postern is. */

const MESSAGES = 2;
const RECIPIENTS = 3;
const AUTHS = 2;
const TLS_SESSIONS = 2;

/** A window that no script outlives, and that of scripts with moments in them. */
export const LONG_SECONDS = 600;
export const SHORT_SECONDS = 3;

/** Errors are to be answered at once: it is their number that is compared, not Postfix's patience. */
export function limitedPostfix(unitSeconds: number): Readonly<Record<string, string>> {
  return {
    anvil_rate_time_unit: `${unitSeconds}s`,
    smtpd_client_message_rate_limit: `${MESSAGES}`,
    smtpd_client_recipient_rate_limit: `${RECIPIENTS}`,
    smtpd_client_auth_rate_limit: `${AUTHS}`,
    smtpd_client_new_tls_session_rate_limit: `${TLS_SESSIONS}`,
    smtpd_client_event_limit_exceptions: "",
    smtpd_error_sleep_time: "0s",
  };
}

export function limitedPostern(unitSeconds: number): object {
  return {
    timeUnit: `${unitSeconds}s`,
    messageRate: MESSAGES,
    recipientRate: RECIPIENTS,
    authRate: AUTHS,
    newTlsSessionRate: TLS_SESSIONS,
  };
}
