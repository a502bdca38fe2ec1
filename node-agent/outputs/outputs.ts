// Saving what a run has made: find it, then send it.
export { type OutputList, type ScanOptions, scanOutputs } from './scan.js'
export { type SavedOutputs, type SendPart, sendOutputs } from './send.js'
