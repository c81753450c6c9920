/* Work that one program does at a time, wherever it runs: a lock, kept by a session, with a token that the work shows.
 *
 *	cc one_at_a_time.c $(pkg-config --cflags --libs pyralog) -o one_at_a_time
 *	./one_at_a_time directory coordination        in this process
 *	./one_at_a_time 127.0.0.1:9640                a node's port for the Pharaoh network
 */
#include <pyralog/pharaoh.h>

#include <stdio.h>
#include <stdlib.h>

static struct pyr_failure failure;

/* Ends the program with the library's sentence. */
static void must(enum pyr_status status)
{
	if (status == PYR_STATUS_OK)
		return;
	fprintf(stderr, "%s: %s\n", pyr_status_name(status), failure.text);
	exit(1);
}

int main(int argc, char **argv)
{
	struct pyr_pharaoh *pharaoh;
	uint64_t session, token, invoice, id;
	if (argc > 2)
		must(pyr_pharaoh_open(argv[2], NULL, &pharaoh, &failure));
	else
		must(pyr_pharaoh_connect(argc > 1 ? argv[1] : "127.0.0.1:9640", NULL, &pharaoh, &failure));

	must(pyr_pharaoh_session_open(pharaoh, 10000, &session, &failure));
	must(pyr_pharaoh_lock(pharaoh, session, "invoices", "this program", 60000, &token, &failure));
	printf("the lock is ours: %s\n", token > 0 ? "with a token" : "without");

	must(pyr_pharaoh_sequence(pharaoh, "invoices", 1, 1, &invoice, &failure));
	must(pyr_pharaoh_ids(pharaoh, &id, 1, &failure));
	printf("invoice %llu\n", (unsigned long long)invoice);

	/* Longer work calls pyr_pharaoh_session_keep() every few seconds, and stops when that fails. */
	must(pyr_pharaoh_session_keep(pharaoh, session, &failure));
	must(pyr_pharaoh_unlock(pharaoh, session, "invoices", token, &failure));
	must(pyr_pharaoh_session_close(pharaoh, session, &failure));
	pyr_pharaoh_close(pharaoh);
	return 0;
}
