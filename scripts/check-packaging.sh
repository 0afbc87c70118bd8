#!/usr/bin/env bash
# What packaging/ brings, by the checkers of those who read it: hadolint, systemd-analyze,
# cloud-init, shellcheck. That its command lines and configuration are the command's is a test.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/bootstrap.sh release
export PATH="$PWD/target/tools/bin:$HOME/.cargo/bin:$PATH"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The most that systemd may find exposed, of 10; what a network server needs is 1.5.
most=2.0

check_units() {
    local unit exposed
    # Units are looked at as if they were installed, with a command that there is.
    mkdir -p "$work/bin"
    printf '#!/bin/sh\n' >"$work/bin/audiox"
    chmod +x "$work/bin/audiox"
    for unit in packaging/systemd/*.service; do
        sed "s|/usr/bin/audiox|$work/bin/audiox|" "$unit" >"$work/${unit##*/}"
        systemd-analyze verify --man=no "$work/${unit##*/}"
        exposed=$(systemd-analyze security --offline=true --no-pager "$unit" |
            sed -n 's/.*Overall exposure level for [^:]*: \([0-9.]*\).*/\1/p')
        if ! awk -v got="$exposed" -v most="$most" 'BEGIN { exit !(got != "" && got <= most) }'; then
            echo "$unit: exposure $exposed, which is over $most" >&2
            return 1
        fi
        echo "${unit##*/}: exposure $exposed of 10"
    done
}

check_cloud_init() {
    local file=packaging/cloud-init/relay.yaml
    # The scripts in it, without what YAML puts before them.
    awk '/^ *content: \|/ { getline; if ($1 == "#!/bin/sh") inside = 1 }
        inside && /^ *-? ?path:|^[a-z]/ { inside = 0 }
        inside { sub(/^      /, ""); print }' "$file" >"$work/setup.sh"
    [ -s "$work/setup.sh" ] || { echo "$file: no script was found in it" >&2; return 1; }
    shellcheck --shell=sh "$work/setup.sh"
    if command -v cloud-init >/dev/null; then
        cloud-init schema --config-file "$file"
    else
        echo "$file: its schema was not checked; cloud-init is not installed here"
    fi
}

hadolint --failure-threshold style packaging/docker/Dockerfile
echo "Dockerfile: nothing to say"
check_units
check_cloud_init
shellcheck scripts/*.sh packaging/docker/healthy packaging/dist/install.sh
echo "scripts: nothing to say"
