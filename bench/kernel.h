// The kernel without a C library: what a program costs here is what the kernel asks for.
#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/stat.h>
#include <linux/time.h>

#define SIGNAL_KILL 9
#define SIGNAL_TERM 15
#define SIGNAL_CHLD 17

#if defined(__x86_64__)
__asm__(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call begin\n");
static long call(long n, long a, long b, long c, long d, long e) {
    register long r10 __asm__("r10") = d, r8 __asm__("r8") = e;
    __asm__ volatile("syscall" : "+a"(n) : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return n;
}
#elif defined(__aarch64__)
__asm__(".globl _start\n_start: mov x0, sp\n bl begin\n");
static long call(long n, long a, long b, long c, long d, long e) {
    register long x8 __asm__("x8") = n, x0 __asm__("x0") = a, x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c, x3 __asm__("x3") = d, x4 __asm__("x4") = e;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4)
                     : "memory");
    return x0;
}
#else
#error "kernel.h knows x86_64 and aarch64"
#endif

#define CALL(name, a, b, c, d, e) \
    call(__NR_##name, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e))

// `begin` never returns, and is found by the two lines of assembler above.
#define BEGIN __attribute__((used, noreturn)) static void begin(long *stack)
