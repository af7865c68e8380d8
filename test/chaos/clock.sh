#!/bin/bash
# Steps the clock under a node that runs, forwards and back, and prints what the node says of it. No namespace has the time of day of its
# own, so the node gets a machine: User Mode Linux, whose root is this machine's, read-only, with what it changes in memory.
# Usage: clock.sh SECONDS... (how far each step goes). Three minutes, and half a minute for each step.
# Needs root, what `npm run build` and `k8s-single install` make, and: apt-get install --no-install-recommends user-mode-linux kmod
set -eu
self=$(readlink -f "$0")
root=${self%/test/chaos/*}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/k8s-single

# On this machine: starts the other one with this script as its init.
outside() {
  TMPDIR=/dev/shm timeout 1800 linux.uml mem=6G root=/dev/root rootfstype=hostfs rootflags=/ ro con=null con0=null,fd:1 \
    init="$self" XDG_CACHE_HOME="${cache%/*}" HOME="$HOME" -- --init "$@" </dev/null | sed -u '1,/ as init process/d'
}

# As PID 1: a root that can be written.
init() {
  export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  mount -t proc proc /proc
  mount -t sysfs sys /sys
  mount -t tmpfs memory /mnt
  insmod "$(find /usr/lib/uml/modules -name 'overlay.ko*')"
  mkdir /mnt/upper /mnt/work /mnt/root
  mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/root
  for folder in proc sys; do mount --no-mtab --move "/$folder" "/mnt/root/$folder"; done
  cd /mnt/root
  mkdir old
  pivot_root . old
  # Not its status: the machine has to halt.
  chroot . /bin/bash "$self" --node "$@" || true
  chroot . halt --force
}

node() {
  mount -t devtmpfs devices /dev
  mkdir -p /dev/pts /dev/shm /lib/modules
  mount -t devpts terminals /dev/pts
  for folder in /dev/shm /run /var/tmp; do mount -t tmpfs memory "$folder"; done
  mount -t cgroup2 cgroup /sys/fs/cgroup
  mount --bind /usr/lib/uml/modules /lib/modules
  for module in bridge veth nf_tables; do modprobe "$module"; done
  ip link set lo up
  ulimit -n 65536
  export K8S_SINGLE_EGRESS=none

  # The kubelet wants to know how fast the processor is, which this kernel does not say.
  local own=/opt/clock kubelet
  kubelet=$(find "$cache/kubernetes" -name kubelet | head -n 1)
  mkdir -p "$own/bin"
  { sed '/^cpu MHz/d; /^$/d' /proc/cpuinfo; printf 'cpu MHz\t\t: 2000.000\n\n'; } >"$own/cpuinfo"
  printf '#!/bin/sh\nmount --no-mtab --bind %s/cpuinfo /proc/cpuinfo\nexec %s "$@"\n' "$own" "$kubelet" >"$own/bin/kubelet"
  chmod +x "$own/bin/kubelet"
  # Its packet filter has not all tables, and its processor, some thirty times as slow, enough to do.
  printf '%s: none\n' dns storage loadBalancer >"$own/config.yaml"
  echo 'features: { kubeProxy: false }' >>"$own/config.yaml"

  single() { "$root/bin/k8s-single" "$@"; }
  say() { echo "$(cut -d ' ' -f 1 /proc/uptime) s, $(date --iso-8601=seconds): $*"; }
  health() { single healthcheck --name clock 2>&1 | tr '\n' ' '; }
  create() { single kubectl --name clock -- create configmap "$1" 2>&1; }

  single up --detach --name clock --config $own/config.yaml --bin-dir $own/bin --data-dir /var/tmp/clock \
    --timeout 15m 2>&1 | tail -n 2
  say "$(health)"
  local count=0
  for step; do
    count=$((count + 1))
    date --set "$step seconds" >/dev/null
    say "a step of $step s: $(health)"
    say "$(create "step-$count")"
    sleep 20
    say "20 s later: $(health)"
  done
  say "$(single kubectl --name clock -- get configmaps --no-headers 2>/dev/null | grep -c '^step-') of $# objects are there"
  single status --name clock | cut -c 1-60
  single down --name clock
}

phase=outside
case ${1:-} in --init | --node) phase=${1#--} && shift ;; esac
steps=()
# Not what else is there: the kernel adds words of its own.
for word; do if [[ $word =~ ^-?[0-9]+$ ]]; then steps+=("$word"); fi; done
"$phase" "${steps[@]}"
