/* Order numbers that are never given twice, from a counter in a directory:
 *
 *	cc order_numbers.c $(pkg-config --cflags --libs pyralog) -o order_numbers
 *	./order_numbers numbers 3        three numbers, each durable before it is printed
 *	./order_numbers numbers 3        the next three
 */
#include <pyralog/obelisk.h>

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
	struct pyr_obelisk_options options = {.size = sizeof options, .durable = 1};
	struct pyr_obelisk *obelisk;
	uint64_t number, first;
	int count = argc > 2 ? atoi(argv[2]) : 1;
	options.epoch_min = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
	must(pyr_obelisk_open(argc > 1 ? argv[1] : "numbers", &options, &obelisk, &failure));
	printf("epoch %llu\n", (unsigned long long)pyr_obelisk_epoch(obelisk));
	for (int i = 0; i < count; i++) {
		must(pyr_obelisk_next(obelisk, &number, &failure));
		printf("order %llu\n", (unsigned long long)number);
	}
	must(pyr_obelisk_next_batch(obelisk, 100, &first, &failure));
	printf("a hundred from %llu on\n", (unsigned long long)first);
	pyr_obelisk_close(obelisk);
	return 0;
}
