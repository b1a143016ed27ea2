// true(1), without a C library.
#include "kernel.h"

BEGIN {
    (void)stack;
    CALL(exit_group, 0, 0, 0, 0, 0);
    __builtin_unreachable();
}
