/* What the process was started with: environment and limits. */
#ifndef PYRALOG_OS_ENVIRONMENT_H
#define PYRALOG_OS_ENVIRONMENT_H

/* NULL: not set. */
const char *os_environment_get(const char *name);

/* Allows as many open files as the system lets this user have. */
void os_environment_raise_limits(void);

/* Freed memory, up to `bytes` of it, is kept to be used again: the buffers of a busy connection come and go, and to fault
 * their pages in anew costs more than to receive into them. Before other threads begin. */
void os_memory_keep(unsigned bytes);

/* Gives memory that was freed back to the system: after something unusually large. */
void os_memory_trim(void);

#endif
