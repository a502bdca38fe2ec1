/** `YYYY-MM-DD HH:MM:SS` in the user's time zone; empty for a time that is not known. */
export function localTime(milliseconds: number): string {
  if (milliseconds <= 0) return ''
  const date = new Date(milliseconds)
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-')
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')}`
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** `%b %d %H:%M` in the user's time zone; `-` for a time that is not known. */
export function shortTime(milliseconds: number): string {
  if (milliseconds <= 0) return '-'
  const date = new Date(milliseconds)
  return `${months[date.getMonth()]} ${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}`
}

function two(number: number): string {
  return String(number).padStart(2, '0')
}
