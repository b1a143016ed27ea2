// A service: note when it began, and wait. SIGTERM ends it, as it ends any program.
// Compiled with NOTE_THE_END it notes that too; with END_AT_ONCE it is one that crashes; with READ it
// is a log service, which ends when nobody can write to it any more.
#include "kernel.h"

#define TERM (1UL << (SIGNAL_TERM - 1))

BEGIN {
    (void)stack;
#ifdef NOTE_THE_END
    unsigned long signals = TERM;
    CALL(rt_sigprocmask, 0, &signals, 0, 8, 0); // SIG_BLOCK
    note("/starts");
    CALL(rt_sigtimedwait, &signals, 0, 0, 8, 0);
    note("/ends");
    CALL(exit_group, 0, 0, 0, 0, 0);
#endif
    note("/starts");
#ifdef END_AT_ONCE
    CALL(exit_group, 1, 0, 0, 0, 0);
#endif
#ifdef READ
    char line[512];
    while (CALL(read, 0, line, sizeof line, 0, 0) > 0) {}
    CALL(exit_group, 0, 0, 0, 0, 0);
#endif
    for (;;) CALL(ppoll, 0, 0, 0, 0, 0);
}
