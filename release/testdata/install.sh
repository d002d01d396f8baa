# What an administrator does with the Debian package over the years, and the expected
# results. It runs in apart.sh, with the packages old.deb and new.deb.

fail() {
	echo "FAIL: $*" >&2
	exit 1
}

wants=/etc/systemd/system/multi-user.target.wants/usher.service
timer=/etc/systemd/system/timers.target.wants/usher-backup.timer
as_usher="setpriv --reuid usher --regid usher --clear-groups --no-new-privs env USHER_DATA=/var/lib/usher"

# The database of man pages is not tested here, and takes seconds to build.
rm -f /var/lib/man-db/auto-update

dpkg --install /run/old.deb
[ "$(getent passwd usher | cut -d: -f6,7)" = /var/lib/usher:/usr/sbin/nologin ] || fail "the user is $(getent passwd usher)"
[ "$(id -gn usher)" = usher ] || fail "the group of usher is $(id -gn usher)"
[ "$(stat -c '%U %a' /etc/usher/usher.env)" = 'root 600' ] || fail "others can read the settings"
[ "$(stat -c '%U:%G %a' /var/backups/usher)" = 'usher:usher 700' ] || fail "backups go to $(stat -c '%U:%G %a' /var/backups/usher)"
[ ! -e $wants ] && [ ! -e $timer ] || fail "the service was enabled without being asked for"
[ ! -e /var/lib/usher ] || fail "there is data already"
usher version

# The administrator configures it. systemd creates the data folder.
echo USHER_PUBLIC_URL=https://usher.example.org >>/etc/usher/usher.env
systemctl --quiet enable usher.service usher-backup.timer
[ -e $wants ] && [ -e $timer ] || fail "the units cannot be enabled"
install -d -o usher -g usher -m 0700 /var/lib/usher
echo "a password that is long" | $as_usher usher account add root --admin --password-stdin
$as_usher usher backup /var/backups/usher/one.db

dpkg --install /run/new.deb
grep -q usher.example.org /etc/usher/usher.env || fail "an upgrade replaced the settings"
[ -e $wants ] && [ -e $timer ] || fail "an upgrade disabled the service"

dpkg --remove usher
[ ! -e /usr/bin/usher ] || fail "the program is still there"
[ ! -L $wants ] && [ ! -L $timer ] || fail "links to units that are gone"
grep -q usher.example.org /etc/usher/usher.env || fail "removing took the settings"

dpkg --purge usher
[ ! -e /etc/usher ] || fail "purging left the settings"
[ -s /var/lib/usher/usher.db ] && [ -s /var/lib/usher/usher.key ] && [ -s /var/backups/usher/one.db ] || fail "purging took the data"
getent passwd usher >/dev/null || fail "purging took the user, and the data belongs to a number"

# A server that is installed again continues with its data.
dpkg --install /run/new.deb
$as_usher usher account list | grep -q root || fail "the account is gone"

# If there is no data, only the user stays.
rm -r /var/lib/usher /var/backups/usher/one.db
dpkg --purge usher
[ ! -e /var/backups/usher ] || fail "purging left an empty folder"

# An existing group with the name is used.
userdel usher
groupadd --force usher
dpkg --install /run/new.deb
[ "$(id -gn usher)" = usher ] || fail "the group of usher is $(id -gn usher)"
