/* SaslHandshake and SaslAuthenticate on a listener that asks for no names: as Kafka's PLAINTEXT listeners, it has no mechanism to
 * offer and says so, rather than to let a client wait that was set to authenticate. Owner: the loop's thread. */
#include "server/kafka/kafka_priv.h"

void kafka_sasl_handshake(struct kafka_request *request, const void *message)
{
	(void)message;
	struct codec_kafka_sasl_handshake_response response = codec_kafka_sasl_handshake_response_default;
	response.error_code = KAFKA_ILLEGAL_SASL_STATE;
	kafka_request_reply(request, &response);
}

void kafka_sasl_authenticate(struct kafka_request *request, const void *message)
{
	(void)message;
	struct codec_kafka_sasl_authenticate_response response = codec_kafka_sasl_authenticate_response_default;
	response.error_code = KAFKA_ILLEGAL_SASL_STATE;
	response.error_message = kafka_text("this listener knows no users: connect with security.protocol=PLAINTEXT");
	kafka_request_reply(request, &response);
}
