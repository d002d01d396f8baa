# What systemd does with the service and the timer of the Debian package, from installation
# to removal. It runs in boot.sh, with the packages old.deb and new.deb.

fail() {
	echo "FAIL: $*" >&2
	systemctl status --no-pager usher.service usher-backup.service >&2 || true
	exit 1
}
main() { systemctl show --property MainPID --value usher.service; }
ready() { curl --silent --output /dev/null --fail http://127.0.0.1:32400/readyz; }

rm -f /var/lib/man-db/auto-update
dpkg --install /run/old.deb
if systemctl is-active usher.service; then
	fail "the service was started without being asked for"
fi

# The settings are for the server, the backup and all other commands.
echo USHER_KEY_FILE=/var/lib/usher/other.key >>/etc/usher/usher.env

# Type=notify: the service has started when usher is ready.
systemctl enable --now usher.service usher-backup.timer
ready || fail "the service has started and is not ready"
[ "$(stat -c '%U:%G %a' /var/lib/usher)" = 'usher:usher 700' ] || fail "the data belongs to $(stat -c '%U:%G %a' /var/lib/usher)"
status=/proc/$(main)/status
[ "$(stat -c %U "$status")" = usher ] || fail "the service runs as $(stat -c %U "$status")"
grep -qP '^CapBnd:\t0+$' "$status" || fail "the service has capabilities: $(grep CapBnd "$status")"
grep -qP '^Seccomp:\t2$' "$status" || fail "the service may make every system call"
if nsenter --target "$(main)" --mount -- touch /etc/usher/of-the-service; then
	fail "the service can write to /etc"
fi
# Passwords are hashed in separate processes, which the unit must allow.
echo "a password that is long" | setpriv --reuid usher --regid usher --clear-groups usher account add olga --admin --password-stdin \
	--data /var/lib/usher --key-file /var/lib/usher/other.key
curl --silent --output /dev/null --fail --header 'X-Plex-Client-Identifier: tv' --data 'login=olga' --data-urlencode 'password=a password that is long' \
	http://127.0.0.1:32400/api/v2/users/signin || fail "nobody can sign in"

systemctl start usher-backup.service || fail "there is no backup"
for made in /var/backups/usher/usher-*.db; do
	[ "$(stat -c '%U %a' "$made")" = 'usher 600' ] || fail "$made belongs to $(stat -c '%U %a' "$made")"
done
systemctl list-timers --no-pager | grep -q usher-backup.timer || fail "no backup is planned"

before=$(main)
dpkg --install /run/new.deb
[ "$(main)" != "$before" ] || fail "an upgrade left the old program running"
ready || fail "the service is not ready after an upgrade"

# The watchdog restarts a server that no longer answers.
printf '[Service]\nWatchdogSec=4s\nTimeoutAbortSec=1s\n' >/etc/systemd/system/usher.service.d/watchdog.conf
systemctl daemon-reload
systemctl restart usher.service
before=$(main)
kill -STOP "$before"
tries=0
until [ "$(main)" != "$before" ] && ready; do
	tries=$((tries + 1))
	[ $tries -lt 600 ] || fail "a server that does not answer is not started anew"
	sleep 0.1
done

dpkg --remove usher
if systemctl is-active usher.service usher-backup.timer; then
	fail "removing the package left something running"
fi
[ -s /var/lib/usher/usher.db ] || fail "removing took the data"
