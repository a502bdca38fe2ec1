import { imageRefusal } from './submit-rules-environment.js'

/** Every setting that an admin may make, and what refuses a value of it. An empty value unsets it. */
const settings: Readonly<Record<string, (value: string) => string | undefined>> = {
  'default-image': (value) => imageRefusal('default-image', value),
  private: (value) =>
    ['true', 'false'].includes(value)
      ? undefined
      : `private is true or false, not ${JSON.stringify(value.slice(0, 80))}.`,
  'cpu-share': (value) =>
    /^0?\.\d{1,4}$|^0$/.test(value) && Number(value) <= 0.9
      ? undefined
      : `The part of a node with GPUs that is set aside for runs without GPUs is a number from 0 to 0.9, such as 0.25; not ${JSON.stringify(value.slice(0, 40))}.`,
}

export function settingRefusal(name: string, value: string): string | undefined {
  const refuse = Object.hasOwn(settings, name) ? settings[name] : undefined
  if (!refuse)
    return `There is no setting ${JSON.stringify(name.slice(0, 80))}; there are: ${Object.keys(settings).join(', ')}.`
  return value === '' ? undefined : refuse(value)
}
