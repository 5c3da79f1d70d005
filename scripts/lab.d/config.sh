# What `up` writes: corosync.conf, holdfast.toml and the settings that later verbs need.
settings='N NODE TOKEN COEF EXTRA_TOTEM EXTRA_QUORUM BOUND KAPPA NOAGENT AGENT AGENT_ENV RESTART_MS BOOT_DELAY_MS DISK_KB LOG_LEVEL'

default_settings() {
  NODE=$(readlink -f "$(type -P node)") || die 'node is missing: scripts/setup says what is needed'
  : "${TOKEN:=1000}" "${COEF:=0}" "${EXTRA_TOTEM:=}" "${EXTRA_QUORUM:=}" "${BOUND:=18000}" "${KAPPA:=}"
  : "${NOAGENT:=}" "${AGENT:=$root/dist/bundle/bin/holdfastd.js}" "${AGENT_ENV:=}" "${RESTART_MS:=300}" "${BOOT_DELAY_MS:=3000}" "${DISK_KB:=16384}" "${LOG_LEVEL:=info}"
  local name
  for name in TOKEN COEF BOUND RESTART_MS BOOT_DELAY_MS DISK_KB; do
    [[ ${!name} =~ ^[0-9]{1,9}$ ]] || die "$name is '${!name}', not a whole number of at most 9 digits"
  done
  ((BOOT_DELAY_MS >= 100)) || die "BOOT_DELAY_MS is $BOOT_DELAY_MS, less than 100"
  [[ $KAPPA =~ ^[12]?$ ]] || die "KAPPA is '$KAPPA', not 1 or 2"
}

save_settings() {
  local name
  for name in $settings; do printf '%s=%q\n' "$name" "${!name}"; done >"$LAB/lab.conf"
}

# Settings in the caller's environment go before the saved ones.
load_settings() {
  local name
  local -A given=()
  [ -e "$LAB/lab.conf" ] || die "there is no lab at $LAB: scripts/lab up N"
  for name in $settings; do [ -v "$name" ] && given[$name]=${!name}; done
  . "$LAB/lab.conf"
  for name in "${!given[@]}"; do [ "$name" = N ] || printf -v "$name" %s "${given[$name]}"; done
}

write_corosync_conf() { # NODE
  local dir=$LAB/n$1 i
  cat <<CONF
totem {
  version: 2
  cluster_name: lab
  transport: knet
  crypto_model: openssl
  crypto_cipher: aes256
  crypto_hash: sha256
  keyfile: $LAB/authkey
  token: $TOKEN
  token_coefficient: $COEF
  $EXTRA_TOTEM
  interface {
    linknumber: 0
    knet_ping_interval: 100
    knet_ping_timeout: 500
    knet_pong_count: 2
  }
}
logging {
  to_stderr: no
  to_syslog: no
  to_logfile: yes
  logfile: $dir/corosync.log
  timestamp: hires
}
quorum {
  provider: corosync_votequorum
  $EXTRA_QUORUM
}
system {
  state_dir: $dir/corosync
  sched_rr: no
  move_to_root_cgroup: no
}
resources {
  watchdog_device: off
}
nodelist {
CONF
  for ((i = 1; i <= N; i++)); do
    printf '  node {\n    nodeid: %d\n    name: node%d\n    ring0_addr: %s.%d\n  }\n' "$i" "$i" "$subnet" "$i"
  done
  echo '}'
}

write_holdfast_toml() { # NODE
  cat <<CONF
fenceBoundMs = $BOUND
stateDir = "$LAB/n$1/disk/holdfast"
socket = "/run/holdfast/holdfast.sock"
logLevel = "$LOG_LEVEL"

[watchdog]
emulator = "$LAB/n$1/watchdog.sock"
CONF
  [ -z "$KAPPA" ] || echo "kappa = $KAPPA"
}

write_config() {
  local i
  (umask 077 && head -c 256 /dev/urandom >"$LAB/authkey")
  mkdir -p "$LAB/shared"
  echo '127.0.0.1 localhost' >"$LAB/hosts"
  for ((i = 1; i <= N; i++)); do
    echo "$subnet.$i node$i" >>"$LAB/hosts"
    mkdir -p "$LAB/n$i"/{corosync,disk,run,stage,volatile}
    echo 0 >"$LAB/n$i/boots"
    write_corosync_conf "$i" >"$LAB/n$i/corosync.conf"
    write_holdfast_toml "$i" >"$LAB/n$i/holdfast.toml"
  done
}
