#!/bin/sh
# Make the SSH host key if it is missing; with -f new ones. At a boot only if sshd is going to run.
set -eu
. /usr/lib/baseimage/ssh

if [ "${1-}" = -f ]; then
    # Of each kind that is there, and of the one that is always.
    for key in /etc/ssh/ssh_host_*_key; do
        kind=${key#/etc/ssh/ssh_host_}
        if [ -e "$key" ]; then make_key "${kind%_key}" "$key"; fi
    done
    find_host_key
    exit
fi

if is_boot; then
    find_keys
    if [ -z "$keys" ] && [ -e "$service/down" ] && ! is_insecure_boot; then exit; fi
    if [ ! -e "$service/run" ] || is_off; then exit; fi
    # Whatever is in the way, sshd itself will say, and the boot goes on.
    find_host_key || true
    exit
fi
find_host_key
