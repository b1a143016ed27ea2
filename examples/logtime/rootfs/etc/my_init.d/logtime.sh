#!/bin/sh
# Note the time of the boot. If this failed, so would the boot.
set -eu
date >/tmp/boottime.txt
