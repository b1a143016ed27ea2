// The floor: a PID 1 that does what no supervisor can leave out, and nothing else.
//
//   floor COUNT          fork COUNT children, each execs /etc/service/N/run; start again what ends;
//                        on SIGTERM send TERM to all and wait
//   floor COUNT vfork    the same, by what vfork does
//   floor COUNT files    by fork, and then make what runit's protocol shows of each in supervise/
#include "kernel.h"

#define MOST 10000
#define TERM (1UL << (SIGNAL_TERM - 1))
#define CHLD (1UL << (SIGNAL_CHLD - 1))

static int pids[MOST];
static char path[128], other[128];
static char *const *environment;
static int by_vfork;
static char child_stack[4096] __attribute__((aligned(16)));

// /etc/service/N/NAME
static void in_service(char *to, int n, const char *name) {
    char digits[12];
    int count = 0;
    for (const char *from = "/etc/service/"; *from;) *to++ = *from++;
    do digits[count++] = '0' + n % 10;
    while ((n /= 10) > 0);
    while (count > 0) *to++ = digits[--count];
    *to++ = '/';
    while ((*to++ = *name++)) {}
}

static void child(void) {
    unsigned long none = 0;
    char *words[] = {path, 0};
    CALL(rt_sigprocmask, 2, &none, 0, 8, 0); // SIG_SETMASK
    CALL(execve, path, words, environment, 0, 0);
    CALL(exit_group, 111, 0, 0, 0, 0);
}

static void start(int n) {
    in_service(path, n, "run");
    if (by_vfork) {
        pids[n] = call_vfork(child_stack + sizeof child_stack, child);
        return;
    }
    pids[n] = CALL(clone, SIGNAL_CHLD, 0, 0, 0, 0);
    if (pids[n] == 0) child();
}

static void replace(int n, const char *name, const char *new, const void *bytes, int count) {
    in_service(path, n, new);
    in_service(other, n, name);
    long file = CALL(openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644, 0);
    CALL(write, file, bytes, count, 0, 0);
    CALL(close, file, 0, 0, 0, 0);
    CALL(renameat2, AT_FDCWD, path, AT_FDCWD, other, 0);
}

// The two descriptors stay open: the FIFO that is control and ok, and the lock.
static void publish(int n) {
    static const unsigned char status[20] = {0x40, [12] = 1, [17] = 'u', [19] = 1};
    in_service(path, n, "supervise");
    CALL(mkdirat, AT_FDCWD, path, 0700, 0, 0);
    in_service(path, n, "supervise/control");
    in_service(other, n, "supervise/ok");
    CALL(mknodat, AT_FDCWD, path, S_IFIFO | 0600, 0, 0);
    CALL(linkat, AT_FDCWD, path, AT_FDCWD, other, 0);
    CALL(openat, AT_FDCWD, path, O_RDWR | O_NONBLOCK | O_CLOEXEC, 0, 0);
    in_service(path, n, "supervise/lock");
    long lock = CALL(openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600, 0);
    CALL(flock, lock, 2 | 4, 0, 0, 0); // LOCK_EX | LOCK_NB
    replace(n, "supervise/pid", "supervise/pid.new", "12345\n", 6);
    replace(n, "supervise/stat", "supervise/stat.new", "run\n", 4);
    replace(n, "supervise/status", "supervise/status.new", status, sizeof status);
}

static void restart(int count) {
    long pid;
    while ((pid = CALL(wait4, -1, 0, 1, 0, 0)) > 0) // WNOHANG
        for (int n = 0; n < count; n++)
            if (pids[n] == pid) start(n);
}

BEGIN {
    long words = stack[0];
    const char *text = (const char *)stack[2];
    int count = 0;
    while (*text) count = count * 10 + *text++ - '0';
    by_vfork = words > 2 && *(const char *)stack[3] == 'v';
    environment = (char *const *)(stack + 1 + words + 1);

    unsigned long limits[2];
    CALL(prlimit64, 0, 7, 0, limits, 0); // RLIMIT_NOFILE
    limits[0] = limits[1];
    CALL(prlimit64, 0, 7, limits, 0, 0);
    unsigned long signals = TERM | CHLD;
    CALL(rt_sigprocmask, 0, &signals, 0, 8, 0); // SIG_BLOCK
    for (int n = 0; n < count; n++) start(n);
    for (int n = 0; words > 2 && !by_vfork && n < count; n++) publish(n);
    while (CALL(rt_sigtimedwait, &signals, 0, 0, 8, 0) != SIGNAL_TERM) restart(count);
    for (int n = 0; n < count; n++) CALL(kill, pids[n], SIGNAL_TERM, 0, 0, 0);
    while (CALL(wait4, -1, 0, 0, 0, 0) > 0) {}
    CALL(exit_group, 0, 0, 0, 0, 0);
    __builtin_unreachable();
}
