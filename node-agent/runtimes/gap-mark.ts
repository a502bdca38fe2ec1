/**
 * Stands in a log where a part is missing, since the disk had no room for it. The collectors of both supervisors go on like
 * this when `cat` can not append (status 1, or 2 from the shell that opens the file):
 *
 *     until the mark is appended; do swallow one piece, and end at the end of the output; done; append again
 *
 * So the command is not held up, and what it prints once there is room is kept. `cat >/dev/full` swallows one piece: it
 * waits for it, fails to write it, and is through. Without room until the end there is no mark either.
 */
export const gapMark =
  '\n[spell] The disk of the node was full. A part of what the run printed was not kept here.'
