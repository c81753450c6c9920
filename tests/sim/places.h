/* What the simulations of numbers share: a disk that dies at some moment, and directories that are copied. */
#ifndef PYRALOG_TESTS_PLACES_H
#define PYRALOG_TESTS_PLACES_H

#include "os/sim/sim.h"

#include <stdint.h>

/* By chance: the disk, or its process, dies at one of the next calls or syncs, or one of them fails; or nothing does. */
void sim_place_arm(struct os_sim *sim, struct os_disk *disk, uint64_t calls_max);
/* The files in its root, as a copy of the disk would have them: of numbers' files the sizes are all there is. */
void sim_place_copy(struct os_disk *from, struct os_disk *to);

#endif
