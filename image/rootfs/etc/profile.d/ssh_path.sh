# A login shell that SSH starts has the container's PATH, which /etc/profile has just put aside.
# shellcheck shell=sh
if [ -n "${SSH_CONNECTION-}" ] && [ -r "/proc/$$/environ" ]; then
    ssh_path=$(tr '\0\n' '\n ' <"/proc/$$/environ" | sed -n 's/^PATH=//p')
    PATH=${ssh_path:-$PATH}
    unset ssh_path
fi
