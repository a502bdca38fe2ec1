/** A resource as the API names it: without `resources/` before it, slashes at its ends or doubled ones inside. */
export function resourcePath(written: string): string {
  return written
    .replace(/\/{2,}/g, '/')
    .replace(/^\//, '')
    .replace(/^resources(\/|$)/, '')
    .replace(/\/$/, '')
}
