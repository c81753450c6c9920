/* ListTransactions and DescribeTransactions: there are none. Owner: the loop's thread. */
#include "server/kafka/kafka_priv.h"

void kafka_list_transactions(struct kafka_request *request, const void *message)
{
	(void)message;
	kafka_request_reply(request, &codec_kafka_list_transactions_response_default);
}

void kafka_describe_transactions(struct kafka_request *request, const void *message)
{
	const struct codec_kafka_describe_transactions_request *asked = message;
	struct codec_kafka_describe_transactions_response response = codec_kafka_describe_transactions_response_default;
	size_t count = asked->transactional_ids_count;
	response.transactions = kafka_request_alloc(request, count, sizeof *response.transactions);
	if (!response.transactions)
		return;
	response.transactions_count = count;
	for (size_t i = 0; i < count; i++) {
		response.transactions[i].transactional_id = asked->transactional_ids[i];
		response.transactions[i].error_code = KAFKA_TRANSACTIONAL_ID_NOT_FOUND;
	}
	kafka_request_reply(request, &response);
}
