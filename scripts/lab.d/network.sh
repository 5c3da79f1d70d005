# The bridge lives in the network namespace of the hub. Node I hangs on port vI, the client on port vc. Cuts are kept by
# port name, so that they outlive the machine behind the port.
subnet=10.77.0

# Runs a command in the hub's network namespace.
hub() {
  local pid
  pid=$(noted "$LAB/hub.proc") || die "the lab at $LAB is not up: scripts/lab up N"
  nsenter -t "$pid" -n -- "$@"
}

make_bridge() {
  hub ip link add br0 type bridge stp_state 0 forward_delay 0
  hub ip link set br0 up
  hub nft -f - <<'RULES'
table bridge lab {
  set pairs { type ifname . ifname; }
  set from { type ifname; }
  set to { type ifname; }
  chain forward {
    type filter hook forward priority 0; policy accept;
    iifname . oifname @pairs drop
    iifname @from drop
    oifname @to drop
  }
}
RULES
}

# plug PORT HOST: gives the calling process's network namespace an eth0 on the bridge. The MAC address stays the same
# over boots, as a real card's does.
plug() {
  unplug "$1"
  hub ip link add "v$1" type veth peer name eth0 address "$(printf '02:00:0a:4d:00:%02x' "$2")" netns $$
  hub ip link set "v$1" master br0 up
  ip -batch - <<BATCH
link set lo up
addr add $subnet.$2/24 dev eth0
link set eth0 up
BATCH
}

# The kernel destroys a dead machine's network namespace some time later; its link must not live on meanwhile.
unplug() { hub ip link del "v$1" 2>/dev/null || :; }

# cut_port NODE both|in|out
cut_port() {
  local rules=
  [ "$2" = in ] || rules+="add element bridge lab from { \"v$1\" }; "
  [ "$2" = out ] || rules+="add element bridge lab to { \"v$1\" }; "
  hub nft "$rules"
}

# Adding first makes it an error-free no-op where there is no cut; nft does all of it at once.
uncut_port() {
  local set rules=
  for set in from to; do
    rules+="add element bridge lab $set { \"v$1\" }; delete element bridge lab $set { \"v$1\" }; "
  done
  hub nft "$rules"
}

# partition_ports GROUP...: drops what goes from one group to another, both ways, in place of any earlier partition.
partition_ports() {
  local a b i j pairs=
  for a in "$@"; do
    for b in "$@"; do
      [ "$a" = "$b" ] && continue
      for i in $a; do for j in $b; do pairs+="\"v$i\" . \"v$j\", "; done; done
    done
  done
  hub nft "flush set bridge lab pairs; add element bridge lab pairs { ${pairs%, } }"
}

heal_all() { hub nft 'flush set bridge lab pairs; flush set bridge lab from; flush set bridge lab to'; }

# cuts_of NODE: "in", "out", "in out" or nothing.
cuts_of() {
  local text=
  [[ $(hub nft list set bridge lab to) != *"\"v$1\""* ]] || text+=' in'
  [[ $(hub nft list set bridge lab from) != *"\"v$1\""* ]] || text+=' out'
  echo "${text# }"
}
