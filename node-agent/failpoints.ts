/** Every place at which a test may end the agent as a power cut would (`failpoint` in the settings). */
export const agentFailpoints = [
  'journal-write',
  'journal-sync',
  'journal-synced',
  'assigned',
  'building',
  'prepared',
  'code-placed',
  'starting',
  'started',
  'ending',
  'ended',
  'saving',
  'outputs-sent',
  'saved',
  'finished',
  'reports-sent',
  'reports-answered',
  'forgotten',
  'removed',
] as const

export type AgentFailpoint = (typeof agentFailpoints)[number]
