/* The one error idiom: a code that can't be ignored, and an optional sentence for whoever reads it.
 *
 * Every function that can fail because of the world returns pyr_result. What a programmer got wrong is an assert()
 * instead. The sentence goes into a caller-owned struct pyr_error; passing NULL means nobody wants it.
 */
#ifndef PYRALOG_BASE_ERROR_H
#define PYRALOG_BASE_ERROR_H

#include <stdbool.h>
#include <stddef.h>

/* Every error once: code, Kafka protocol code (kafka.apache.org/protocol, "Error Codes"), SQLSTATE (PostgreSQL 15,
 * appendix A), may the same request be tried again, sentence. */
#define PYR_ERRORS(X)                                                                                                  \
	X(PYR_OK, 0, "00000", false, "no error")                                                                       \
	X(PYR_INTERNAL, -1, "XX000", false, "an internal error: please report it")                                     \
	X(PYR_OUT_OF_MEMORY, -1, "53200", true, "out of memory")                                                       \
	X(PYR_OFFSET_OUT_OF_RANGE, 1, "22003", false, "the offset lies outside the partition")                         \
	X(PYR_CORRUPT_MESSAGE, 2, "XX001", true, "the record batch fails its checksum or is malformed")                \
	X(PYR_UNKNOWN_PARTITION, 3, "42P01", true, "no such topic or partition")                                       \
	X(PYR_NOT_LEADER, 6, "57P03", true, "this node does not lead the partition")                                   \
	X(PYR_TIMED_OUT, 7, "57014", true, "the time allowed for the request ran out")                                 \
	X(PYR_TOO_LARGE, 10, "54000", false, "the record batch is larger than max.message.bytes")                      \
	X(PYR_NETWORK, 13, "08006", true, "the connection is broken")                                                  \
	X(PYR_INVALID_TOPIC, 17, "42602", false, "not a valid topic name: use letters, digits, '.', '_' and '-'")      \
	X(PYR_BAD_TIMESTAMP, 32, "22008", false, "the record's timestamp is out of the allowed range")                 \
	X(PYR_UNSUPPORTED_VERSION, 35, "0A000", false, "this version of the request is not served")                    \
	X(PYR_TOPIC_EXISTS, 36, "42P07", false, "a topic of this name exists")                                         \
	X(PYR_INVALID_PARTITIONS, 37, "22023", false, "the number of partitions is not valid")                         \
	X(PYR_INVALID_REPLICATION, 38, "22023", false, "the replication factor is not valid: this node stands alone")  \
	X(PYR_INVALID_CONFIG, 40, "22023", false, "the configuration is not valid")                                    \
	X(PYR_INVALID_REQUEST, 42, "08P01", false, "the request is malformed")                                         \
	X(PYR_UNSUPPORTED_FORMAT, 43, "0A000", false, "only record batches of format 2 are stored")                    \
	X(PYR_POLICY_VIOLATION, 44, "42501", false, "a policy of this server forbids it")                              \
	X(PYR_OUT_OF_ORDER_SEQUENCE, 45, "22023", false, "the producer's sequence number leaves a gap")                \
	X(PYR_DUPLICATE_SEQUENCE, 46, "22023", false, "the producer's batch is older than what is remembered")         \
	X(PYR_PRODUCER_FENCED, 47, "22023", false, "a newer instance of this producer has taken over")                 \
	X(PYR_IO, 56, "58030", true, "the disk reported an error")                                                     \
	X(PYR_UNKNOWN_PRODUCER, 59, "22023", false, "the producer id is not known")                                    \
	X(PYR_UNKNOWN_TOPIC_ID, 100, "42P01", true, "no topic has this id")                                            \
	X(PYR_UNSUPPORTED_COMPRESSION, 76, "0A000", false, "this compression codec is not known")                      \
	X(PYR_INVALID_RECORD, 87, "22000", false, "the record breaks a rule of its topic")                             \
	X(PYR_NOT_AUTHORIZED, 29, "42501", false, "the principal may not do this")                                     \
	X(PYR_NOT_FOUND, -1, "58P01", false, "there is no such file or object")                                        \
	X(PYR_EXISTS, -1, "58P02", false, "it exists already")                                                         \
	X(PYR_DISK_FULL, 56, "53100", true, "the disk is full: free some space")                                       \
	X(PYR_CORRUPT, 56, "XX001", false, "stored bytes fail their checksum: restore them from a replica or backup")  \
	X(PYR_STOPPED, 56, "57P01", true, "the log has stopped after a disk error: restart the server")                \
	X(PYR_READ_ONLY, 56, "25006", false, "the partition is read-only until its damage is repaired")                \
	X(PYR_UNSUPPORTED_FEATURE, -1, "0A000", false, "the data was written by a newer version: upgrade the program") \
	X(PYR_BUSY, 89, "53400", true, "a limit is reached: try again")                                                \
	X(PYR_CANCELLED, -1, "57014", false, "cancelled at the user's request")                                        \
	X(PYR_SYNTAX, -1, "42601", false, "syntax error")                                                              \
	X(PYR_QUERY, -1, "42000", false, "the statement could not be carried out")                                     \
	X(PYR_NOT_SUPPORTED, -1, "0A000", false, "this is not supported")                                              \
	X(PYR_USAGE, -1, "22023", false, "the command line is not right")

#define X(code, kafka, sqlstate, retryable, text) code,
enum pyr_code { PYR_ERRORS(X) PYR_CODE_COUNT };
#undef X

/* A type that must be looked at: ignoring one is a warning, and warnings are errors here. */
typedef struct [[nodiscard]] {
	enum pyr_code code;
} pyr_result;

enum { PYR_ERROR_TEXT_MAX = 512 };

/* Detail for a human: owned by the caller, written on failure only, always terminated. */
struct pyr_error {
	enum pyr_code code;
	char text[PYR_ERROR_TEXT_MAX];
};

const char *pyr_code_name(enum pyr_code code); /* "PYR_OK" */
const char *pyr_code_text(enum pyr_code code);
int pyr_code_kafka(enum pyr_code code);
const char *pyr_code_sqlstate(enum pyr_code code);
bool pyr_code_retryable(enum pyr_code code);

static inline pyr_result pyr_result_of(enum pyr_code code)
{
	return (pyr_result){code};
}

static inline pyr_result pyr_ok(void)
{
	return pyr_result_of(PYR_OK);
}

/* Fills `error` (may be NULL) with the code and a printf sentence, and returns the code. */
[[gnu::format(printf, 3, 4)]] pyr_result pyr_fail(struct pyr_error *error, enum pyr_code code, const char *format, ...);

/* Hands a failure on to the caller. */
#define PYR_TRY(expression)                                                                                            \
	do {                                                                                                           \
		pyr_result pyr_try_result_ = (expression);                                                             \
		if (pyr_try_result_.code != PYR_OK)                                                                    \
			return pyr_try_result_;                                                                        \
	} while (0)

/* For the rare place where failure changes nothing (closing down, a hint): says so in the code. */
static inline void pyr_ignore(pyr_result result)
{
	(void)result;
}

#endif
