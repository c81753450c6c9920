/* A folder of a test's own, in TMPDIR or /tmp, and the real disk that has its root there. */
#ifndef PYRALOG_TESTS_UNIT_FOLDER_H
#define PYRALOG_TESTS_UNIT_FOLDER_H

#include "os/real.h"

#include <stdio.h>
#include <stdlib.h>

enum { FOLDER_BYTES = 200 };

static char folder_path[FOLDER_BYTES];

static inline int folder_make(void **state)
{
	const char *above = getenv("TMPDIR");
	(void)state;
	snprintf(folder_path, sizeof folder_path, "%s/pyralog-test-XXXXXX", above && *above ? above : "/tmp");
	return mkdtemp(folder_path) ? 0 : -1;
}

static inline int folder_remove(void **state)
{
	char command[FOLDER_BYTES + 16];
	(void)state;
	snprintf(command, sizeof command, "rm -rf '%s'", folder_path);
	return system(command);
}

/* For os_real_disk_free(). */
static inline struct os_disk *folder_disk(void)
{
	struct os_disk *disk;
	struct pyr_error error;
	assert_int_equal(os_real_disk_new(folder_path, &disk, &error).code, PYR_OK);
	return disk;
}

#endif
