#!/bin/sh
# invoke-rc.d asks whether it may: policy-rc.d [--quiet] NAME ACTION [RUNLEVEL]. A package that is being
# installed shall not start its daemon behind the supervisor's back; to have a running one reopen its log,
# as the rotation of logs asks, is allowed. 101 is no, 104 yes (invoke-rc.d's policy interface).
while [ "${1#--}" != "${1-}" ]; do shift; done
case ${2-} in
    status | rotate | reload | force-reload) exit 104 ;;
    *) exit 101 ;;
esac
