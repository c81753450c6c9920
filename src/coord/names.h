/* Numbers by name that only rise, durable, in one file: what sequences have promised, and what a lease authority remembers.
 *
 * A number is staged in memory and durable after the next names_keep(), which writes all that was staged as one run of records
 * and syncs once. A file is written anew at each opening, and when most of it is old: it never holds more than about twice
 * what is in force.
 *
 * Invariants: a number never falls, whatever crashes; names_kept() tells only what is durable. Failure modes: a failed sync
 * stops the store for good (PYR_STOPPED); a full disk or a failed write is an error, and the next names_keep() tries again; a
 * second owner is refused (PYR_BUSY).
 * Owner: one thread; but names_keep_run() may be on another, meanwhile, between _begin() and _end().
 * Format and crash argument: docs/formats/names.md.
 */
#ifndef PYRALOG_COORD_NAMES_H
#define PYRALOG_COORD_NAMES_H

#include "base/buffer.h"
#include "base/error.h"
#include "os/disk.h"

#include <stdbool.h>
#include <stdint.h>

enum { NAMES_NAME_MAX = 255 };

struct names;
struct names_entry;

/* In the root of `disk`, which is its own and must live longer. `names_max`: how many names there may be. PYR_BUSY,
 * PYR_CORRUPT, PYR_IO, PYR_DISK_FULL, PYR_OUT_OF_MEMORY; a sentence. */
pyr_result names_open(struct os_disk *disk, size_t names_max, struct names **ret_names, struct pyr_error *error);
void names_close(struct names *names); /* NULL is fine */
size_t names_count(const struct names *names);

/* NULL: it is not there. */
struct names_entry *names_find(const struct names *names, struct base_bytes name);
/* The one that is there, or a new one with the number 0: nothing durable by itself. PYR_BUSY: names_max is reached; PYR_USAGE:
 * it is empty or longer than NAMES_NAME_MAX; PYR_OUT_OF_MEMORY. It lives as long as the store. */
pyr_result names_make(struct names *names, struct base_bytes name, struct names_entry **ret_entry);

uint64_t names_kept(const struct names_entry *entry); /* durable */
/* A word of the owner's, 0 at first, and forgotten when the store is closed. */
uint64_t *names_word(struct names_entry *entry);
/* To be durable after the next names_keep(); a number that is not above the last is ignored. */
void names_raise(struct names *names, struct names_entry *entry, uint64_t number);

/* Makes durable what was staged. */
pyr_result names_keep(struct names *names);
/* The same in three steps: false, if nothing is staged or it is under way; on any thread; with its result. */
bool names_keep_begin(struct names *names);
pyr_result names_keep_run(struct names *names);
void names_keep_end(struct names *names, pyr_result result);
/* Of the last names_keep_end(). */
bool names_stopped(const struct names *names);

/* The names of a folder, without opening it: somebody else may have it open, and raise them. PYR_CORRUPT, PYR_IO. */
pyr_result names_look(struct os_disk *disk, void (*visit)(void *context, struct base_bytes name, uint64_t kept),
                      void *context);
/* All of them, in any order. */
void names_each(const struct names *names, void (*visit)(void *context, struct base_bytes name, uint64_t kept),
                void *context);

#endif
