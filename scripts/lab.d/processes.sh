# A process is noted in a file as "PID START", START being its start time in /proc/PID/stat: a recycled pid never matches.

# Prints PID's start time; fails when there is no such process, or only its zombie.
start_of() {
  local stat
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
  read -ra stat <<<"${stat##*) }"
  case ${stat[0]} in Z | X) return 1 ;; esac
  echo "${stat[19]}"
}

# note FILE PID
note() {
  local start
  start=$(start_of "$2") || return 1
  echo "$2 $start" >"$1.new" && mv "$1.new" "$1"
}

# note_self FILE: the calling shell, as the /proc that it sees knows it.
note_self() {
  local stat
  read -ra stat </proc/self/stat
  echo "${stat[0]} ${stat[21]}" >"$1.new" && mv "$1.new" "$1"
}

# noted FILE: prints the pid if that very process lives; else fails.
noted() {
  local pid start
  { read -r pid start <"$1"; } 2>/dev/null || return 1
  [ "$(start_of "$pid")" = "$start" ] && echo "$pid"
}

# until_gone PID START: waits for its end, children of a pid namespace's PID 1 included; 10 s at most.
until_gone() {
  local i
  for ((i = 0; i < 1000; i++)); do
    [ "$(start_of "$1")" = "$2" ] || return 0
    sleep 0.01
  done
  return 1
}

# until_true SECONDS COMMAND...: tries every 20 ms.
until_true() {
  local i limit=$(($1 * 50))
  shift
  for ((i = 0; i < limit; i++)); do
    "$@" && return 0
    sleep 0.02
  done
  return 1
}

# outer_pid MACHINE FILE: pid, as seen from outside, of the process that noted itself inside the machine with PID 1 MACHINE.
outer_pid() {
  local inner start pid
  { read -r inner start <"$2"; } 2>/dev/null || return 1
  for pid in $(pgrep --ns "$1" --nslist pid); do
    [ "$(start_of "$pid")" = "$start" ] || continue
    [ "$(awk '/^NSpid:/ { print $NF }' "/proc/$pid/status" 2>/dev/null)" = "$inner" ] && echo "$pid" && return 0
  done
  return 1
}

# Every process of this lab outside its pid namespaces carries HOLDFAST_LAB_OF in its environment, so that it is found
# even when its note was never written.
members() { grep -lsxzF "HOLDFAST_LAB_OF=$LAB" /proc/[0-9]*/environ | cut -d/ -f3; }

# Ends all processes of the lab and waits for their end; fails, naming them, if some stay.
end_members() {
  local round pid start found quiet=0
  local -A ended=()
  for ((round = 0; round < 100 && quiet < 2; round++)); do
    found=$(members) || :
    for pid in $found; do
      start=$(start_of "$pid") || continue
      ended[$pid]=$start
      kill -KILL "$pid" 2>/dev/null || :
    done
    if [ -z "$found" ]; then quiet=$((quiet + 1)); else quiet=0; fi # twice: a child may have been between fork and exec
    sleep 0.02
  done
  for pid in "${!ended[@]}"; do
    until_gone "$pid" "${ended[$pid]}" || die "process $pid of $LAB does not end after SIGKILL: look at /proc/$pid/stack"
  done
}
