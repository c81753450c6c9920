/* What the files of the program of promises share (see contract.c). */
#ifndef CONTRACT_H
#define CONTRACT_H

#include <pyralog/pyralog.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { PATIENCE_MS = 10000 };

extern struct pyr_failure failure;

#define CHECK(condition)                                                                                               \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "%s:%d: %s (last failure: %s)\n", __FILE__, __LINE__, #condition,              \
			        failure.text);                                                                         \
			exit(1);                                                                                       \
		}                                                                                                      \
	} while (0)
#define OK(call) CHECK((call) == PYR_STATUS_OK)
#define FAILS(call, wanted) CHECK((call) == (wanted) && failure.status == (wanted) && failure.text[0])

/* contract_admin.c */
void test_topic_administration(struct pyralog *log);
void test_group_administration(struct pyralog *log);
void test_heartbeats(struct pyralog *log);

#endif
