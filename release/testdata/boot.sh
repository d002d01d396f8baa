#!/bin/sh
# Boots systemd in a copy of this machine's files, in new namespaces, and runs a script.
# Nothing else is started: no unit of this machine is enabled there.
#
#	sh boot.sh FOLDER OUT SCRIPT FILE...
#
# The script finds the files in /run, and writes to OUT. FOLDER and OUT must be empty.
set -eu

# systemd gets its own cgroup, which it sees as the root.
if [ -z "${BOOT_APART:-}" ]; then
	group=/sys/fs/cgroup
	[ -e $group/cgroup.procs ] || group=$group/unified
	group=$group/usher-test-$$
	mkdir "$group"
	status=0
	(
		echo 0 >"$group/cgroup.procs"
		BOOT_APART=yes exec unshare --mount --pid --fork --kill-child --cgroup --uts --ipc --net sh "$0" "$@"
	) || status=$?
	find "$group" -depth -type d -exec rmdir {} +
	exit $status
fi

dir=$1 out=$2 script=$3
shift 3
mount --make-rprivate /
mount -t tmpfs tmpfs "$dir"
mkdir "$dir/changes" "$dir/work" "$dir/root"
root=$dir/root
mount -t overlay -o "lowerdir=/,upperdir=$dir/changes,workdir=$dir/work" overlay "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mkdir "$root/run/out" "$root/run/machine"
mount --bind "$out" "$root/run/out"
cp "$script" "$root/run/script"
cp "$@" "$root/run"
mount -t tmpfs tmpfs "$root/tmp"

rm -f "$root/usr/sbin/policy-rc.d" # it prevents services from starting in Debian images

units=$root/etc/systemd/system
for wanted in "$root"/lib/systemd/system/*.wants; do
	mount -t tmpfs tmpfs "$wanted"
done
rm -rf "$units"
mkdir -p "$units/usher.service.d"
printf '[Unit]\nDescription=Nothing of this machine\n' >"$units/sysinit.target"
# There is no journal. A container cannot raise the limit.
printf '[Service]\nLimitNOFILE=4096\nStandardError=append:/run/out/usher.log\n' >"$units/usher.service.d/here.conf"
cat >"$units/check.service" <<'UNIT'
[Unit]
DefaultDependencies=no
SuccessAction=exit-force
FailureAction=exit-force
SuccessActionExitStatus=0
FailureActionExitStatus=1

[Service]
Type=oneshot
ExecStart=/bin/sh -eu /run/script
TimeoutStartSec=5min
StandardOutput=append:/run/out/check.log
StandardError=append:/run/out/check.log
UNIT
ip link set lo up

# systemd creates namespaces for the service, which the kernel does not allow after a
# chroot.
cd "$root"
pivot_root . run/machine
umount --lazy /run/machine
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=check.service </dev/null
