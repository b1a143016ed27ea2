#!/bin/sh
# Remove what no container needs: what apt fetched, its lists and logs, and the temporary files.
set -eu

apt-get clean
# What a build has mounted there for itself stays, and find says so.
find /var/lib/apt/lists /tmp /var/tmp -mindepth 1 -delete || true
rm --recursive --force /var/log/apt /var/log/alternatives.log /var/log/bootstrap.log /var/log/dpkg.log
# Caches and backups that are made anew, or never read again.
rm --force /var/cache/debconf/*-old /var/lib/dpkg/*-old /var/cache/ldconfig/aux-cache
