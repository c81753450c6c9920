/* Shared by the files of the simulated world. */
#ifndef PYRALOG_OS_SIM_SIM_PRIV_H
#define PYRALOG_OS_SIM_SIM_PRIV_H

#include "os/sim/sim.h"
#include "os/timers.h"

struct sim_loop {
	struct os_loop base;
	struct os_sim *sim;
	struct sim_loop *next; /* in the world's list */
	struct os_timers timers;
	bool dead;
};

/* Something that will happen: `run` with `argument`, unless `loop` is dead by then; then `drop` frees the argument. */
struct sim_event {
	uint64_t at_us;
	uint64_t number; /* order among equals */
	struct sim_loop *loop;
	void (*run)(void *argument);
	void (*drop)(void *argument); /* may be NULL */
	void *argument;
};

void sim_schedule(struct os_sim *sim, uint64_t delay_us, struct sim_loop *loop, void (*run)(void *argument),
                  void (*drop)(void *argument), void *argument);

struct sim_port; /* net.c */
struct sim_port **sim_ports(struct os_sim *sim);
uint32_t *sim_cut_chance(struct os_sim *sim);
uint16_t sim_next_port(struct os_sim *sim);

#endif
