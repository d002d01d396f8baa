#!/bin/sh
# The step of action.yml: installs usher, and runs a command in usher exec or leads
# later steps to one in the background.
set -eu

if ! command -v usher >/dev/null; then
	go install "github.com/usher-auth/usher/cmd/usher@$ACTION_VERSION"
	bin=$(go env GOPATH)/bin
	echo "$bin" >>"$GITHUB_PATH"
	PATH=$bin:$PATH
fi

# Ubuntu refuses namespaces to ordinary users. Without them, usher uses variables.
if [ "$(cat /proc/sys/kernel/apparmor_restrict_unprivileged_userns 2>/dev/null)" = 1 ]; then
	sudo -n sysctl -q -w kernel.apparmor_restrict_unprivileged_userns=0 || true
fi

if [ -n "$ACTION_RUN" ]; then
	# The flags are words.
	# shellcheck disable=SC2086
	exec usher exec $ACTION_FLAGS -- sh -ec "$ACTION_RUN"
fi

vars=$RUNNER_TEMP/usher.env
# shellcheck disable=SC2086
usher exec --daemon --env-file "$vars" $ACTION_FLAGS
# GitHub lets no step set NODE_OPTIONS for later ones: a step with Node sets it to
# ${{ env.USHER_NODE_OPTIONS }} itself.
sed 's/^NODE_OPTIONS=/USHER_NODE_OPTIONS=/' "$vars" >>"$GITHUB_ENV"
