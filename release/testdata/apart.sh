#!/bin/sh
# Runs a script as root in a copy of this machine's files, in new namespaces. The changes
# disappear with them, and affect nothing else.
#
#	unshare --mount --pid --fork sh apart.sh FOLDER SCRIPT FILE...
#
# The script finds the files in /run. FOLDER must be empty.
set -eu
dir=$1 script=$2
shift 2
mount --make-rprivate /
mount -t tmpfs tmpfs "$dir"
mkdir "$dir/changes" "$dir/work" "$dir/root"
mount -t overlay -o "lowerdir=/,upperdir=$dir/changes,workdir=$dir/work" overlay "$dir/root"
mount -t proc proc "$dir/root/proc"
mount --rbind /dev "$dir/root/dev"
mount -t tmpfs tmpfs "$dir/root/run"
mount -t tmpfs tmpfs "$dir/root/tmp"
cp "$script" "$dir/root/run/script"
cp "$@" "$dir/root/run"
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root chroot "$dir/root" sh -eu /run/script </dev/null
