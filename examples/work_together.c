/* Work that several processes share, as members of one consumer group:
 *
 *	work_together 127.0.0.1 9092 5432 write 300     puts 300 orders into a topic
 *	work_together 127.0.0.1 9092 5432 work 300      works on them, until it has nothing to do for two seconds
 *	work_together DIRECTORY write 300               the same without a server, one process at a time
 *
 * Every order is done once while nobody dies; what a process had not committed when it died is done again by another. */
#include <pyralog/pyralog.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const topics[] = {"orders"};

static int fail(const struct pyr_failure *failure)
{
	fprintf(stderr, "%s: %s\n", pyr_status_name(failure->status), failure->text);
	return 1;
}

static int write_orders(struct pyralog *log, int count)
{
	struct pyr_failure failure;
	char text[32];
	enum pyr_status status = pyr_topic_create(log, topics[0], 4, &failure);
	for (int i = 0; i < count && (status == PYR_STATUS_OK || status == PYR_STATUS_EXISTS); i++) {
		snprintf(text, sizeof text, "%d", i);
		struct pyr_record order = pyr_record_of(text, text);
		status = pyr_produce(log, topics[0], &order, 1, &failure);
	}
	return status == PYR_STATUS_OK ? 0 : fail(&failure);
}

/* A lot of orders is done, then committed: the order of these two decides what a crash between them means. */
static int work(struct pyr_subscription *orders, struct pyr_failure *failure)
{
	const struct pyr_consumed *records;
	size_t count;
	for (;;) {
		enum pyr_status status = pyr_subscription_next(orders, 2000, &records, &count, failure);
		if (status == PYR_STATUS_TIMED_OUT)
			return 0;
		if (status != PYR_STATUS_OK && status != PYR_STATUS_BUSY)
			return fail(failure);
		for (size_t i = 0; status == PYR_STATUS_OK && i < count; i++) {
			const struct pyr_bytes order = records[i].record.value;
			printf("order %.*s\n", (int)order.bytes, (const char *)order.data);
		}
		fflush(stdout);
		status = pyr_subscription_commit(orders, failure);
		if (status != PYR_STATUS_OK && status != PYR_STATUS_BUSY) /* busy: others have the partitions now */
			return fail(failure);
	}
}

static int join_and_work(struct pyralog *log)
{
	struct pyr_failure failure;
	struct pyr_subscription *orders;
	struct pyr_subscription_options options = {sizeof options, topics, 1, "workers", PYR_EARLIEST, 0};
	if (pyr_subscribe(log, &options, &orders, &failure) != PYR_STATUS_OK)
		return fail(&failure);
	int code = work(orders, &failure);
	pyr_subscription_close(orders);
	return code;
}

int main(int argc, char **argv)
{
	struct pyr_failure failure;
	struct pyralog *log;
	enum pyr_status status;
	if (argc == 6) {
		struct pyr_connect_options options = {sizeof options, argv[1], (uint16_t)atoi(argv[2]),
		                                      (uint16_t)atoi(argv[3])};
		status = pyr_connect(&options, &log, &failure);
	} else if (argc == 4) {
		status = pyr_open(argv[1], NULL, &log, &failure);
	} else {
		fprintf(stderr, "usage: work_together DIRECTORY|HOST KAFKA-PORT PG-PORT write|work COUNT\n");
		return 2;
	}
	if (status != PYR_STATUS_OK)
		return fail(&failure);
	int code = strcmp(argv[argc - 2], "write") == 0 ? write_orders(log, atoi(argv[argc - 1])) : join_and_work(log);
	pyr_close(log);
	return code;
}
