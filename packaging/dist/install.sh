#!/bin/sh
# Installs what this archive has: ./install.sh, as root. PREFIX (/usr) is where the units look for
# the command; DESTDIR is put before everything, for those who make packages. Configuration that is
# there already is left alone.
set -eu
cd "$(dirname "$0")"
prefix=${DESTDIR:-}${PREFIX:-/usr}
etc=${DESTDIR:-}/etc/audiox

mkdir -p "$prefix" "$etc"
cp -R bin share "$prefix/"
for unit in systemd/*.service; do
    mkdir -p "$prefix/lib/systemd/system"
    sed "s|/usr/bin/audiox|${PREFIX:-/usr}/bin/audiox|" "$unit" >"$prefix/lib/systemd/system/${unit##*/}"
done
for file in etc/*; do
    [ -e "$etc/${file##*/}" ] || cp "$file" "$etc/"
done
[ -n "${DESTDIR:-}" ] || ! command -v systemctl >/dev/null || systemctl daemon-reload
echo "installed $("./bin/audiox" --version) in $prefix, examples of its configuration in $etc"
