// A service that leaves 20,000 orphans when somebody opens /go, notes when it is done, and waits.
// They come in families of fifty, whose parent dies before they have been waited for.
#include "kernel.h"

BEGIN {
    (void)stack;
    note("/starts");
    CALL(openat, AT_FDCWD, "/go", O_RDONLY, 0, 0);
    for (int family = 0; family < 400; family++) {
        long parent = CALL(clone, SIGNAL_CHLD, 0, 0, 0, 0);
        if (parent == 0) {
            for (int child = 0; child < 50; child++)
                if (CALL(clone, SIGNAL_CHLD, 0, 0, 0, 0) == 0) break;
            CALL(exit_group, 0, 0, 0, 0, 0);
        }
        CALL(wait4, parent, 0, 0, 0, 0);
    }
    note("/ends");
    for (;;) CALL(ppoll, 0, 0, 0, 0, 0);
}
