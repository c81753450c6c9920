/* A broker that keeps nothing: takes batches, acknowledges them, counts their records by their headers, and that is all.
 * It tells how fast the load generator itself is: `pyralog bench` against it must be far ahead of any broker.
 *
 *   bench_sink         prints its port, serves one topic of any name with 4 partitions until it is ended
 *   bench_sink FILE [fresh]   checks each batch's CRC and answers when it is in FILE, synced: what a durable broker that does
 *                      nothing else would reach, on space that was written before or (fresh) was not
 *
 * One thread a connection, blocking. A Produce request must carry one partition. */
#include "sink_disk.h"

#include "base/crc32c.h"
#include "codec/kafka/api.h"
#include "codec/kafka/messages.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	PARTITIONS = 4,
	HEAD_MAX = 1024,
	IN_BYTES = 8 << 20,
	ARENA_BYTES = 1 << 20,
	CRC_AT = 17,
	CHECKED_AT = 21,
	COUNT_AT = 57,
	APIS_MAX = 64
};

static bool is_durable;

static _Atomic int64_t ends[PARTITIONS];

struct peer {
	int socket;
	uint8_t *in; /* a window of the stream */
	size_t from, used;
};

static bool more(struct peer *peer)
{
	if (peer->from == peer->used)
		peer->from = peer->used = 0;
	if (peer->from > 0 && IN_BYTES - peer->used < HEAD_MAX) {
		memmove(peer->in, peer->in + peer->from, peer->used - peer->from);
		peer->used -= peer->from;
		peer->from = 0;
	}
	ssize_t got = read(peer->socket, peer->in + peer->used, IN_BYTES - peer->used);
	peer->used += got > 0 ? (size_t)got : 0;
	return got > 0;
}

static bool drop(struct peer *peer, size_t bytes)
{
	while (bytes > 0) {
		size_t there = peer->used - peer->from, part = there < bytes ? there : bytes;
		peer->from += part;
		bytes -= part;
		if (bytes > 0 && !more(peer))
			return false;
	}
	return true;
}

static struct base_bytes text(const char *name)
{
	return (struct base_bytes){(const uint8_t *)name, strlen(name)};
}

/* Once `batch`, when there is one, is on the disk. */
static void answer_after(struct peer *peer, const struct codec_kafka_request_header *header, const void *message,
                         struct base_bytes batch)
{
	const struct codec_kafka_api *api = codec_kafka_api_find(header->api_key);
	struct base_writer writer;
	base_writer_init(&writer, 1 << 20);
	base_write_zeros(&writer, 4);
	codec_kafka_response_header_encode(&writer, header->api_key, header->api_version, header->correlation_id);
	api->response.encode(&writer, header->api_version, message);
	base_patch_u32be(&writer, 0, (uint32_t)writer.bytes - 4);
	assert(!writer.failed);
	if (batch.bytes > 0)
		sink_disk_add(batch, peer->socket, (struct base_bytes){writer.buffer->data, writer.bytes});
	else if (write(peer->socket, writer.buffer->data, writer.bytes) != (ssize_t)writer.bytes)
		fprintf(stderr, "bench_sink: an answer was not taken\n");
	base_writer_deinit(&writer);
}

static void answer(struct peer *peer, const struct codec_kafka_request_header *header, const void *message)
{
	answer_after(peer, header, message, (struct base_bytes){0});
}

/* A durable sink has all of the batch, another only its beginning. */
static struct base_bytes checked(struct base_bytes batch)
{
	if (!is_durable)
		return (struct base_bytes){0};
	if (base_crc32c(0, batch.data + CHECKED_AT, batch.bytes - CHECKED_AT) != base_load_u32be(batch.data + CRC_AT))
		fprintf(stderr, "bench_sink: a batch is damaged\n");
	return batch;
}

/* A Produce request of version 9: topic, partition and record count. */
static void produced(struct peer *peer, struct base_reader *reader, const struct codec_kafka_request_header *header)
{
	struct codec_kafka_decoder decoder = {.reader = reader, .flexible = true};
	struct codec_kafka_produce_response response = codec_kafka_produce_response_default;
	struct codec_kafka_produce_response_topic topic = codec_kafka_produce_response_topic_default;
	struct codec_kafka_produce_response_partition partition = codec_kafka_produce_response_partition_default;
	(void)codec_kafka_read_string(&decoder, true); /* transactional id */
	int16_t acks = codec_kafka_read_int16(&decoder);
	base_read_skip(reader, 4 + 1); /* timeout, number of topics */
	topic.name = codec_kafka_read_string(&decoder, false);
	uint32_t partitions = base_read_uvarint32(reader) - 1;
	partition.index = codec_kafka_read_int32(&decoder) % PARTITIONS;
	uint32_t bytes = base_read_uvarint32(reader) - 1;
	struct base_bytes batch = {reader->at, bytes};
	base_read_skip(reader, COUNT_AT);
	int32_t records = codec_kafka_read_int32(&decoder);
	assert(!reader->failed && partitions == 1);
	partition.base_offset = atomic_fetch_add(&ends[partition.index], records);
	topic.partitions = &partition;
	topic.partitions_count = 1;
	response.topics = &topic;
	response.topics_count = 1;
	if (acks != 0)
		answer_after(peer, header, &response, checked(batch));
}

static void versions(struct peer *peer, const struct codec_kafka_request_header *header)
{
	struct codec_kafka_api_versions_response_api_key keys[APIS_MAX];
	struct codec_kafka_api_versions_response response = codec_kafka_api_versions_response_default;
	response.api_keys = keys;
	for (size_t i = 0; i < codec_kafka_api_count && i < APIS_MAX; i++) {
		keys[i] = codec_kafka_api_versions_response_api_key_default;
		keys[i].api_key = codec_kafka_apis[i].key;
		keys[i].min_version = codec_kafka_apis[i].version_min;
		keys[i].max_version = codec_kafka_apis[i].version_max;
		response.api_keys_count = i + 1;
	}
	answer(peer, header, &response);
}

static void metadata(struct peer *peer, const struct codec_kafka_request_header *header,
                     const struct codec_kafka_metadata_request *request)
{
	struct codec_kafka_metadata_response response = codec_kafka_metadata_response_default;
	struct codec_kafka_metadata_response_topic topic = codec_kafka_metadata_response_topic_default;
	struct codec_kafka_metadata_response_partition partitions[PARTITIONS];
	for (int32_t i = 0; i < PARTITIONS; i++) {
		partitions[i] = codec_kafka_metadata_response_partition_default;
		partitions[i].index = i;
	}
	if (request->topics_count == 1) {
		topic.name = request->topics[0].name;
		topic.partitions = partitions;
		topic.partitions_count = PARTITIONS;
		response.topics = &topic;
		response.topics_count = 1;
	}
	response.cluster_id = text("sink");
	answer(peer, header, &response);
}

static void list_offsets(struct peer *peer, const struct codec_kafka_request_header *header,
                         const struct codec_kafka_list_offsets_request *request)
{
	struct codec_kafka_list_offsets_response response = codec_kafka_list_offsets_response_default;
	struct codec_kafka_list_offsets_response_topic topic = codec_kafka_list_offsets_response_topic_default;
	struct codec_kafka_list_offsets_response_partition partitions[PARTITIONS];
	topic.name = request->topics[0].name;
	topic.partitions = partitions;
	for (size_t i = 0; i < request->topics[0].partitions_count && i < PARTITIONS; i++) {
		partitions[i] = codec_kafka_list_offsets_response_partition_default;
		partitions[i].index = request->topics[0].partitions[i].index % PARTITIONS;
		bool is_end = request->topics[0].partitions[i].timestamp == -1;
		partitions[i].offset = is_end ? atomic_load(&ends[partitions[i].index]) : 0;
		topic.partitions_count = i + 1;
	}
	response.topics = &topic;
	response.topics_count = 1;
	answer(peer, header, &response);
}

static void serve_decoded(struct peer *peer, struct base_reader *reader,
                          const struct codec_kafka_request_header *header)
{
	const struct codec_kafka_api *api = codec_kafka_api_find(header->api_key);
	struct codec_arena arena;
	codec_arena_init(&arena, ARENA_BYTES);
	void *request = codec_arena_alloc(&arena, 1, api->request.struct_bytes);
	assert(request);
	if (api->request.decode(reader, header->api_version, &arena, request).code != PYR_OK)
		fprintf(stderr, "bench_sink: a request can't be understood\n");
	else if (header->api_key == CODEC_KAFKA_API_VERSIONS)
		versions(peer, header);
	else if (header->api_key == CODEC_KAFKA_METADATA)
		metadata(peer, header, request);
	else if (header->api_key == CODEC_KAFKA_LIST_OFFSETS)
		list_offsets(peer, header, request);
	codec_arena_deinit(&arena);
}

/* One request; false at the end of the stream. */
static bool serve(struct peer *peer)
{
	struct codec_kafka_request_header header;
	while (peer->used - peer->from < 4)
		if (!more(peer))
			return false;
	size_t bytes = base_load_u32be(peer->in + peer->from);
	size_t head = is_durable || bytes < HEAD_MAX ? bytes : HEAD_MAX;
	assert(4 + head <= IN_BYTES);
	while (peer->used - peer->from < 4 + head)
		if (!more(peer))
			return false;
	struct base_reader reader = base_reader_init(peer->in + peer->from + 4, head);
	if (codec_kafka_request_header_decode(&reader, &header).code != PYR_OK)
		return false;
	if (header.api_key == CODEC_KAFKA_PRODUCE)
		produced(peer, &reader, &header);
	else
		serve_decoded(peer, &reader, &header);
	return drop(peer, 4 + bytes);
}

static void *serve_peer(void *context)
{
	struct peer peer = {.socket = (int)(intptr_t)context, .in = malloc(IN_BYTES)};
	while (peer.in && serve(&peer))
		;
	free(peer.in);
	close(peer.socket);
	return NULL;
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t bytes = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, bytes) != 0 || listen(listener, 64) != 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &bytes) != 0) {
		fprintf(stderr, "bench_sink: can't listen\n");
		return 1;
	}
	is_durable = argc > 1;
	if (is_durable)
		sink_disk_open(argv[1], argc > 2);
	printf("%u\n", ntohs(address.sin_port));
	fflush(stdout);
	for (int peer; (peer = accept(listener, NULL, NULL)) >= 0;) {
		pthread_t thread;
		setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		if (pthread_create(&thread, NULL, serve_peer, (void *)(intptr_t)peer) == 0)
			pthread_detach(thread);
		else
			close(peer);
	}
	return 1;
}
