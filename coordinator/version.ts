/** Of the coordinator; package.json has the same, which a test looks after. */
export const version = '0.1.0'
