/** `host:port` of what was listened on, with the port that it got. */
export function withPort(listen: string, port: number): string {
  return `${listen.slice(0, listen.lastIndexOf(':'))}:${port}`
}
