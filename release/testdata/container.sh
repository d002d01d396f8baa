#!/bin/sh
# Loads the container image into a separate Podman, and runs it as in docs/running.md:
# without root, without capabilities, and with a read-only root.
#
#	unshare --mount sh container.sh FOLDER IMAGE
set -eu
dir=$1 image=$2

fail() {
	echo "FAIL: $*" >&2
	exit 1
}

if [ "$(id -u)" = 0 ] && [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then
	# Podman requires that only cgroups of version 2 exist. The container gets none.
	mount --make-rprivate /
	umount --recursive /sys/fs/cgroup
	mount -t cgroup2 none /sys/fs/cgroup
fi
export DISABLE_HC_SYSTEMD=true # only this script checks the health
pod() {
	podman --root "$dir/root" --runroot "$dir/run" --tmpdir "$dir/tmp" --storage-driver vfs --cgroup-manager cgroupfs --events-backend file "$@"
}
trap 'pod rm --all --force --time 0 >/dev/null 2>&1 || true' EXIT

pod load --quiet --input "$image"
name=$(pod images --format '{{.Repository}}:{{.Tag}}')
files=$(ulimit -H -n)
start() {
	pod run --detach --name usher --cgroups disabled --ulimit "nofile=$files:$files" --ulimit nproc=4096:4096 --network none \
		--read-only --cap-drop ALL --security-opt no-new-privileges --volume data:/data "$@" "$name"
	tries=0
	until pod healthcheck run usher; do
		tries=$((tries + 1))
		[ $tries -lt 300 ] || { pod logs usher; fail "the container does not become healthy"; }
		sleep 0.1
	done
}

start --env USHER_ADMIN_USERNAME=olga --env "USHER_ADMIN_PASSWORD=a password that is long"
status=/proc/$(pod inspect usher --format '{{.State.Pid}}')/status
grep -qP '^Uid:\t65532\t65532\t65532\t65532$' "$status" || fail "the container runs as $(grep Uid "$status")"
grep -qP '^CapBnd:\t0+$' "$status" || fail "the container has capabilities: $(grep CapBnd "$status")"
grep -qP '^NoNewPrivs:\t1$' "$status" || fail "the container may get rights"
pod exec usher /usher account list | grep -q olga || fail "the first admin was not created"
pod exec usher /usher backup /data/copy.db
if pod exec usher /usher backup /copy.db; then
	fail "the root can be written to"
fi
pod stop --time 30 usher
[ "$(pod inspect usher --format '{{.State.ExitCode}}')" = 0 ] || fail "it ended with $(pod inspect usher --format '{{.State.ExitCode}}')"

# A newer container continues with the volume.
pod rm usher
start
pod exec usher /usher account list | grep -q olga || fail "the data is not in the volume"
