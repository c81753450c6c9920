/* What the service manager is told: systemd's protocol, sd_notify(3), a datagram to the socket that NOTIFY_SOCKET names.
 * Without one nothing is sent. */
#ifndef PYRALOG_OS_NOTIFY_H
#define PYRALOG_OS_NOTIFY_H

#include <stdint.h>

/* "READY=1", "STOPPING=1", "WATCHDOG=1", or lines of these. */
void os_notify(const char *state);

/* How often the manager wants to hear WATCHDOG=1 at the latest; 0: it does not. */
uint64_t os_notify_watchdog_us(void);

/* Monotonic microseconds, as RELOADING=1 must carry them. */
void os_notify_reloading(void);

#endif
