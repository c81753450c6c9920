/* What the process was started with: environment and limits. */
#ifndef PYRALOG_OS_ENVIRONMENT_H
#define PYRALOG_OS_ENVIRONMENT_H

/* NULL: not set. */
const char *os_environment_get(const char *name);

/* Allows as many open files as the system lets this user have. */
void os_environment_raise_limits(void);

/* Gives memory that was freed back to the system: after something unusually large. */
void os_memory_trim(void);

#endif
