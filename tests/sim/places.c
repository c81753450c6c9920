/* Disks that die, and copies of directories (see places.h). */
#include "places.h"

#include <stdio.h>
#include <stdlib.h>

enum { FILES_MAX = 8, NAME_BYTES = 64, SYNCS_MAX = 10, DIRECTORY_SYNCS_MAX = 4 };

void sim_place_arm(struct os_sim *sim, struct os_disk *disk, uint64_t calls_max)
{
	struct os_sim_faults *faults = os_sim_disk_faults(disk);
	switch (os_sim_random_below(sim, 8)) {
	case 0:
	case 1:
		faults->crash_at_call = 1 + os_sim_random_below(sim, calls_max);
		break;
	case 2:
		faults->crash_at_sync = 1 + os_sim_random_below(sim, SYNCS_MAX);
		break;
	case 3:
		faults->crash_at_directory_sync = 1 + os_sim_random_below(sim, DIRECTORY_SYNCS_MAX);
		break;
	case 4:
		faults->fail_sync_at = 1 + os_sim_random_below(sim, SYNCS_MAX);
		break;
	case 5:
		faults->fail_at_call = 1 + os_sim_random_below(sim, calls_max);
		break;
	default:
		break;
	}
}

struct listing {
	char names[FILES_MAX][NAME_BYTES];
	size_t count;
};

static void note_name(void *context, const char *name)
{
	struct listing *listing = context;
	if (listing->count == FILES_MAX)
		abort();
	snprintf(listing->names[listing->count++], NAME_BYTES, "%s", name);
}

static void must(pyr_result result)
{
	if (result.code != PYR_OK)
		abort();
}

static void copy_file(struct os_disk *from, struct os_disk *to, const char *name)
{
	struct os_file *file, *copy;
	uint64_t bytes;
	must(os_file_open(from, name, OS_OPEN_READ, &file));
	must(os_file_size(file, &bytes));
	must(os_file_open(to, name, OS_OPEN_WRITE | OS_OPEN_CREATE, &copy));
	must(os_file_truncate(copy, bytes));
	must(os_file_sync(copy));
	os_file_close(copy);
	os_file_close(file);
}

void sim_place_copy(struct os_disk *from, struct os_disk *to)
{
	struct listing listing = {.count = 0};
	must(os_directory_list(from, "", note_name, &listing));
	for (size_t i = 0; i < listing.count; i++)
		copy_file(from, to, listing.names[i]);
	must(os_directory_sync(to, ""));
}
