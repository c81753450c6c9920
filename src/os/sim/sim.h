/* A simulated world: virtual time, seeded chance, disks that lose what was not synced, a network that cuts.
 *
 * One thread runs everything; the same seed gives the same run. A world has any number of loops (a loop is one process),
 * disks that outlive them, and a network between them. Kill a loop and crash its disk: that was a power cut.
 */
#ifndef PYRALOG_OS_SIM_SIM_H
#define PYRALOG_OS_SIM_SIM_H

#include "os/disk.h"
#include "os/loop.h"
#include "os/net.h"

#include <stdbool.h>
#include <stdint.h>

struct os_sim;

struct os_sim *os_sim_new(uint64_t seed);
void os_sim_free(struct os_sim *sim);
uint64_t os_sim_now_us(const struct os_sim *sim);
/* Somebody sets the wall clock of all loops; os_now_us() does not notice. */
void os_sim_wall_jump(struct os_sim *sim, int64_t ms);
/* From the world's own chance: 0 .. below - 1. */
uint64_t os_sim_random_below(struct os_sim *sim, uint64_t below);
/* Carries out the next event; false when nothing is left to happen. */
bool os_sim_step(struct os_sim *sim);

/* ---- loops ---- */

struct os_loop *os_sim_loop_new(struct os_sim *sim);
/* Nothing of this loop happens any more: its process is dead. The struct lives until os_sim_free(). */
void os_sim_loop_kill(struct os_loop *loop);

/* ---- disks ---- */

/* What shall go wrong. Counts are of calls since the last crash or kill; 0: never. */
struct os_sim_faults {
	uint64_t crash_at_call; /* from this call on the machine is dead: nothing has an effect */
	uint64_t crash_at_sync; /* the same, from this sync of a file on */
	uint64_t crash_at_directory_sync; /* the same, of a directory */
	uint64_t fail_at_call; /* this one call fails with PYR_IO; a write may have happened in part */
	uint64_t fail_sync_at; /* this sync fails, and what it should have written is lost at a crash */
	uint64_t capacity_bytes; /* PYR_DISK_FULL beyond; 0: no limit */
	bool ignore_directory_sync; /* planted bug: names are never made durable by a sync */
};

struct os_disk *os_sim_disk_new(struct os_sim *sim);
void os_sim_disk_free(struct os_disk *disk);
struct os_sim_faults *os_sim_disk_faults(struct os_disk *disk);
bool os_sim_disk_is_dead(const struct os_disk *disk); /* crash_at_call was reached */
/* Power cut: each 512-byte sector not synced is kept or lost by chance, names are kept up to a point in their order, and
 * open files are gone. The faults are cleared. */
void os_sim_disk_crash(struct os_disk *disk);
/* The process died, at crash_at_call perhaps, and the machine did not: what it wrote is there, still not durable. Open
 * files are gone; the faults are cleared. */
void os_sim_disk_kill(struct os_disk *disk);
/* Flips one bit of a file, in what is durable and what is cached. False: no such byte. */
bool os_sim_disk_flip(struct os_disk *disk, const char *path, uint64_t position, unsigned bit);
uint64_t os_sim_disk_used_bytes(const struct os_disk *disk);
size_t os_sim_disk_file_count(const struct os_disk *disk);
uint64_t os_sim_disk_written_bytes(const struct os_disk *disk);
size_t os_sim_disk_open_files(const struct os_disk *disk);

/* ---- network ---- */

/* A port of its own for each listener; hosts don't matter: all loops share one network. */
struct os_net *os_sim_net_new(struct os_loop *loop);
void os_sim_net_free(struct os_net *net);
/* Cuts every connection with this chance (in a million) at each delivery. */
void os_sim_net_set_cut_chance(struct os_sim *sim, uint32_t in_a_million);

#endif
