import { gapMark } from './gap-mark.js'

/**
 * Process 1 of a run's container: a script for the static busybox that the agent brings, so that it works in an image
 * without a shell, under any user, and needs nothing of the engine but its signals.
 *
 *     1 supervisor ── collector ── cat        reads /.spell/run/pipe, appends to /.spell/output, ignores SIGTERM
 *     └─ keeper ── command (bash -c …)        notes the exit status in /.spell/exit (exit-note.ts)
 *
 * - SIGTERM to process 1: SIGTERM, once, to every other process, in one system call and parents first, so that no shell
 *   goes on with `; echo after`; then it waits for the last process, however long that takes.
 * - SIGUSR1: SIGKILL to every process but those above; what they had written is still collected.
 * - When the command ends by itself, what it left behind gets SIGTERM and, 5 s later, SIGKILL.
 * - The file size limit ends `cat` by SIGXFSZ, a run that kills all it can by SIGKILL; a full disk makes it fail (gap-mark.ts).
 * - It exits with the command's status when the last process has ended and the output is complete.
 *
 * The keeper can be no background job of process 1, since a shell's background jobs ignore SIGINT for ever; and process 1
 * can't wait for it in the foreground, since traps would wait too. So it is forked twice and kills the one between.
 *
 * Traps act, they don't set a flag for a loop: a flag set between the loop's look and its `wait` would not be seen. Only
 * while the keeper is being made they set flags, looked at afterwards. A signal that came before there were traps is found
 * as the file /.spell/control/terminating, which the sender writes first; one that comes before the command's shell runs
 * waits for it.
 *
 * `kill`, `read` and `[` are built into the shell: ending a run needs no fork, and works when it has no process left.
 * Nobody's variables are touched: all names begin with `spell_`.
 *
 * Arguments: limit of the output in blocks of 512 bytes, command.
 */
export const containerScript = `
exec >/dev/null 2>&1
unset SHLVL
spell_run=/.spell/run
spell_stopping= spell_killing= spell_ending= spell_told=
read -r spell_self </proc/self/cmdline
trap 'spell_stopping=1' TERM
trap 'spell_killing=1' USR1
trap : USR2
/.spell/busybox mkfifo $spell_run/pipe $spell_run/wake || exit 125

(
  trap '' TERM XFSZ
  ulimit -c 0
  ulimit -f "$1"
  while :; do
    (trap - XFSZ; exec /.spell/busybox cat >>/.spell/output)
    case $? in
      0) break ;;
      137) ;;
      1 | 2) until echo "${gapMark}" >>/.spell/output; do /.spell/busybox cat >/dev/full && break 2; done ;;
      *) /.spell/busybox cat; break ;;
    esac
  done
) <$spell_run/pipe &
spell_collector=$!

# Subshells that exec: a shell says "Killed" where its own output goes, and that of the keeper goes nowhere.
spell_keep() {
  if [ -e /.spell/control/terminating ]; then return 143; fi
  for spell_shell in /bin/bash /usr/bin/bash /usr/local/bin/bash /bin/sh /usr/bin/sh; do
    if [ -x $spell_shell ]; then (exec $spell_shell -c "$1" >&3 2>&3 3>&-); return; fi
  done
  : >$spell_run/own-shell
  (exec /.spell/busybox sh -c "$1" >&3 2>&3 3>&-)
}

(
  (
    trap : TERM
    read -r spell_pid spell_name spell_state spell_parent spell_rest </proc/self/stat
    echo "$spell_pid" >$spell_run/keeper
    kill -9 "$spell_parent"
    exec 3>$spell_run/pipe
    spell_keep "$2"
    echo $? 1<>/.spell/exit
    kill -USR2 1
  )
  :
)

spell_pause() { read -r -t 0.05 spell_line <>$spell_run/wake; }

spell_others() {
  spell_found= spell_keeper=
  read -r spell_keeper <$spell_run/keeper
  for spell_path in /proc/[0-9]*; do
    spell_pid=\${spell_path#/proc/}
    case $spell_pid in 1 | "$spell_collector" | "$spell_keeper") continue ;; esac
    read -r spell_line <$spell_path/stat || continue
    set -- \${spell_line##*) }
    [ "$1" = Z ] || [ "$2" = "$spell_collector" ] || spell_found="$spell_found $spell_pid"
  done
  [ "$spell_found" ]
}

spell_command_ended() {
  read -r spell_code </.spell/exit
  [ "$spell_code" != -------- ]
}

# Whether a process is none of this script's. The image may have a busybox too: then the beginning of its line tells.
spell_is_command() {
  spell_name= spell_line=
  read -r spell_name <$1/comm
  [ "$spell_name" ] && [ "$spell_name" != busybox ] && return
  read -r spell_line <$1/cmdline
  [ "$spell_line" ] && [ "$spell_line" != "$spell_self" ]
}

spell_command_begun() {
  until spell_command_ended || [ -e $spell_run/own-shell ]; do
    spell_others
    for spell_pid in $spell_found; do
      spell_is_command /proc/$spell_pid && return
    done
    spell_pause
  done
}

spell_terminate() {
  spell_stopping=1
  [ "$spell_told" ] && return
  spell_told=1
  spell_command_begun
  kill -TERM -1
}

spell_kill() {
  spell_killing=1
  spell_command_begun
  while spell_others; do kill -9 $spell_found; spell_pause; done
}

spell_end_leftover() {
  [ "$spell_ending$spell_stopping" ] && return
  spell_ending=1 spell_rounds=0
  spell_others && kill -TERM $spell_found
  while spell_others && [ ! "$spell_stopping" ]; do
    [ $spell_rounds -gt 100 ] && kill -9 $spell_found
    spell_rounds=$((spell_rounds + 1))
    spell_pause
  done
}

trap spell_terminate TERM
trap spell_kill USR1
trap spell_end_leftover USR2
[ "$spell_stopping" ] || [ -e /.spell/control/terminating ] && spell_terminate
[ "$spell_killing" ] && spell_kill
spell_command_ended && spell_end_leftover

while kill -0 $spell_collector; do wait $spell_collector; done
spell_end_leftover
while spell_others; do spell_pause; done
spell_command_ended || spell_code=137
exit $spell_code
`
