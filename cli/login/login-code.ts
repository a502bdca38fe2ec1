/**
 * Whether what somebody typed is a login code: 20 letters and digits, in groups or not. Tokens are longer. The cluster looks
 * at it closely.
 */
export function isLoginCode(typed: string): boolean {
  return /^[0-9a-z]{20}$/i.test(typed.replaceAll(/[\s-]/g, ''))
}
