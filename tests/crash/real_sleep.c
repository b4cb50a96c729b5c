/* Sleeping as the kernel does it, to be preloaded before libfaketime.

   libfaketime 0.9.10 alters clock_nanosleep even where it leaves the monotonic clock alone, and then
   every time.sleep of Python fails with EINVAL. */
#include <errno.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *until, struct timespec *rest)
{
    return syscall(SYS_clock_nanosleep, clock, flags, until, rest) == 0 ? 0 : errno;
}
