/* The command line of the simulations, and their loop over seeds.
 *
 *   --seconds N            new seeds for so long
 *   --first S --count N    these
 *   --seed S               one, to replay it
 *   --failures N           ends after so many (5)
 */
#ifndef PYRALOG_TESTS_SEEDS_H
#define PYRALOG_TESTS_SEEDS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct sim_seeds {
	uint64_t first, count, failures;
	double seconds; /* 0: `count` of them */
	uint64_t passed, failed;
};

static inline struct sim_seeds sim_seeds_parse(int argc, char **argv, uint64_t count)
{
	struct sim_seeds seeds = {.first = (uint64_t)time(NULL) * 1000, .count = count, .failures = 5};
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--seed") == 0 || strcmp(argv[i], "--first") == 0)
			seeds.first = strtoull(argv[i + 1], NULL, 10);
		if (strcmp(argv[i], "--seed") == 0)
			seeds.count = 1;
		if (strcmp(argv[i], "--count") == 0)
			seeds.count = strtoull(argv[i + 1], NULL, 10);
		if (strcmp(argv[i], "--failures") == 0)
			seeds.failures = strtoull(argv[i + 1], NULL, 10);
		if (strcmp(argv[i], "--seconds") == 0)
			seeds.seconds = strtod(argv[i + 1], NULL);
	}
	return seeds;
}

static inline double sim_seconds_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* `simulate` says whether what must hold did. */
static inline void sim_seeds_run(struct sim_seeds *seeds, const char *program,
                                 bool (*simulate)(uint64_t seed, void *context), void *context)
{
	double until = sim_seconds_now() + seeds->seconds;
	for (uint64_t i = 0;
	     seeds->failed < seeds->failures && (seeds->seconds > 0 ? sim_seconds_now() < until : i < seeds->count);
	     i++) {
		bool right = simulate(seeds->first + i, context);
		seeds->passed += right;
		seeds->failed += !right;
		if (!right)
			fprintf(stderr, "seed %llu failed: %s --seed %llu replays it\n",
			        (unsigned long long)(seeds->first + i), program,
			        (unsigned long long)(seeds->first + i));
	}
}

/* The line that tests/run counts by, and the exit code. */
static inline int sim_seeds_end(const struct sim_seeds *seeds)
{
	printf("%llu passed, %llu failed\n", (unsigned long long)seeds->passed, (unsigned long long)seeds->failed);
	return seeds->failed > 0;
}

#endif
