/**
 * Environment variables in a setting's text: `${NAME}` stands for the variable, `$${` for the characters `${`.
 *
 * What a variable holds is text and stays text: it is neither read as YAML nor searched for further variables, so that no
 * password can turn into structure.
 */

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Substitution {
  readonly text: string;
  /** What the first variable lacks; null where every one was there. */
  readonly problem: string | null;
}

const VARIABLE = /\$\$\{|\$\{([^}]*)(\}?)/g;
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

export function substitute(text: string, environment: Environment): Substitution {
  let problem: string | null = null;
  const result = text.replace(VARIABLE, (whole, name: string | undefined, brace: string | undefined) => {
    if (name === undefined) return "${";
    if (brace === "" || !NAME.test(name)) {
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the characters themselves are meant.
      problem ??= "a variable is written ${NAME}, and the characters themselves $${";
      return whole;
    }
    const value = environment[name];
    if (value === undefined) problem ??= `the environment variable ${name} is not set`;
    return value ?? whole;
  });
  return { text: result, problem };
}
