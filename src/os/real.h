/* The real world: libuv's loop and TCP, the system's clock, chance and files. */
#ifndef PYRALOG_OS_REAL_H
#define PYRALOG_OS_REAL_H

#include "os/disk.h"
#include "os/loop.h"
#include "os/net.h"

/* A loop for the calling thread, which becomes its owner when it calls os_real_loop_run(). NULL: memory is out. */
struct os_loop *os_real_loop_new(void);
void os_real_loop_free(struct os_loop *loop); /* executors, connections and listeners must be gone */
/* Runs until os_real_loop_stop(). */
void os_real_loop_run(struct os_loop *loop);
void os_real_loop_stop(struct os_loop *loop); /* from the loop's thread */
/* Runs the loop on a thread of its own, its owner from here on; `name` has at most 15 characters. After os_real_loop_stop(),
 * os_real_loop_join() waits for the thread's end. PYR_OUT_OF_MEMORY. */
pyr_result os_real_loop_start(struct os_loop *loop, const char *name);
void os_real_loop_join(struct os_loop *loop);
/* Of the calling thread, and of those that it starts from here on. There is no way back from OS_BACKGROUND. */
void os_real_thread_urgency(enum os_urgency urgency);

/* TCP on that loop. */
struct os_net *os_real_net_new(struct os_loop *loop);
void os_real_net_free(struct os_net *net);

/* The system's clocks, on any thread. */
uint64_t os_real_wall_ms(void); /* since 1970-01-01 UTC; may jump */
uint64_t os_real_steady_ms(void); /* since some moment before; never goes back */

/* The files below `root`, which is made if it is not there. PYR_IO with a sentence. */
pyr_result os_real_disk_new(const char *root, struct os_disk **ret_disk, struct pyr_error *error);
void os_real_disk_free(struct os_disk *disk);
bool os_real_path_exists(const char *path); /* any path; makes nothing */

/* What tells a file from its copies. */
struct os_real_place {
	uint64_t machine; /* of the name that it was given; 0: none */
	uint64_t inode;
	uint64_t born_ns; /* 0: the file system does not tell */
};

pyr_result os_real_place_of(const char *path, struct os_real_place *ret_place); /* PYR_IO */
void os_real_random(void *ret_bytes, size_t bytes); /* up to 256; any thread */

/* A one-shot alarm to the microsecond, where the loop's timers keep to milliseconds: for load generators. NULL: out of
 * memory or of file descriptors. Free it before the loop. */
struct os_real_alarm;
struct os_real_alarm *os_real_alarm_new(struct os_loop *loop, void (*fire)(void *context), void *context);
void os_real_alarm_set(struct os_real_alarm *alarm, uint64_t due_us); /* a time of os_now_us(); replaces the last */
void os_real_alarm_free(struct os_real_alarm *alarm);

/* Runs another program with our streams and environment, and `variable` ("NAME=value"; NULL: none) besides. `exited` is told its
 * exit status, or 128 and the signal that ended it; the child is gone then. PYR_NOT_FOUND with a sentence. */
struct os_real_child;
pyr_result os_real_spawn(struct os_loop *loop, char **arguments, char *variable,
                         void (*exited)(void *context, int status), void *context, struct os_real_child **ret_child,
                         struct pyr_error *error);
void os_real_child_signal(struct os_real_child *child, int signal_number);

/* Calls `interrupted` on the loop's thread at SIGINT or SIGTERM; the second one ends the process at once. */
pyr_result os_real_on_interrupt(struct os_loop *loop, void (*interrupted)(void *context), void *context);
/* Calls `asked` on the loop's thread at each SIGHUP. */
pyr_result os_real_on_reload(struct os_loop *loop, void (*asked)(void *context), void *context);

#endif
