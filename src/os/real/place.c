/* Where a file is, and chance (see os/real.h). */
#include "os/real.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* What systemd and its like give a machine when it is set up; 0: there is none. FNV-1a. */
static uint64_t machine_of(void)
{
	uint8_t text[64];
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	int file = open("/etc/machine-id", O_RDONLY | O_CLOEXEC);
	ssize_t bytes = file >= 0 ? read(file, text, sizeof text) : 0;
	if (file >= 0)
		close(file);
	if (bytes <= 1)
		return 0;
	for (ssize_t i = 0; i < bytes; i++)
		hash = (hash ^ text[i]) * UINT64_C(0x100000001b3);
	return hash;
}

pyr_result os_real_place_of(const char *path, struct os_real_place *ret_place)
{
	struct statx status;
	if (statx(AT_FDCWD, path, 0, STATX_INO | STATX_BTIME, &status) != 0)
		return pyr_result_of(PYR_IO);
	bool born = status.stx_mask & STATX_BTIME;
	*ret_place = (struct os_real_place){
		.machine = machine_of(),
		.inode = status.stx_ino,
		.born_ns = born ? (uint64_t)status.stx_btime.tv_sec * 1000000000 + status.stx_btime.tv_nsec : 0,
	};
	return pyr_ok();
}

void os_real_random(void *ret_bytes, size_t bytes)
{
	if (getrandom(ret_bytes, bytes, 0) != (ssize_t)bytes)
		abort(); /* up to 256 bytes it can't fail once the system is up */
}
