/* DescribeClientQuotas, AlterClientQuotas (KIP-546), and the users that there are not (KIP-554). Each altered entity is a
 * change of the catalog, all under way together. Owner: the loop's thread. */
#include "server/kafka/kafka_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_text(struct base_bytes bytes, const char *text)
{
	return bytes.bytes == strlen(text) && (bytes.bytes == 0 || memcmp(bytes.data, text, bytes.bytes) == 0);
}

/* How much of a client's text stands in a sentence. */
static int shown_bytes(struct base_bytes bytes)
{
	return bytes.bytes < 64 ? (int)bytes.bytes : 64;
}

/* ---- DescribeClientQuotas ---- */

enum match_type { MATCH_EXACT, MATCH_DEFAULT, MATCH_ANY };

static bool part_matches(uint8_t part, const char *name,
                         const struct codec_kafka_describe_client_quotas_request_component *component)
{
	switch (component->match_type) {
	case MATCH_EXACT:
		return part == CATALOG_QUOTA_NAMED && is_text(component->match, name);
	case MATCH_DEFAULT:
		return part == CATALOG_QUOTA_DEFAULT;
	default:
		return part != CATALOG_QUOTA_ANY;
	}
}

/* Every component must fit; with `strict`, nothing else may be in the entity. */
static bool matches(const struct codec_kafka_describe_client_quotas_request *asked,
                    const struct catalog_quota_entity *entity)
{
	bool user_asked = false, client_asked = false;
	for (size_t i = 0; i < asked->components_count; i++) {
		const struct codec_kafka_describe_client_quotas_request_component *component = &asked->components[i];
		bool is_user = is_text(component->entity_type, "user");
		if (!is_user && !is_text(component->entity_type, "client-id"))
			return false; /* of an address: there are none */
		user_asked |= is_user;
		client_asked |= !is_user;
		if (!(is_user ? part_matches(entity->user_part, entity->user, component)
		              : part_matches(entity->client_part, entity->client, component)))
			return false;
	}
	return !asked->strict || ((user_asked || entity->user_part == CATALOG_QUOTA_ANY) &&
	                          (client_asked || entity->client_part == CATALOG_QUOTA_ANY));
}

static void tell_part(struct kafka_request *request, const char *type, uint8_t part, const char *name,
                      struct codec_kafka_describe_client_quotas_response_entry *entry)
{
	if (part == CATALOG_QUOTA_ANY)
		return;
	struct codec_kafka_describe_client_quotas_response_entity *entity = &entry->entity[entry->entity_count++];
	entity->entity_type = kafka_text(type);
	entity->entity_name = part == CATALOG_QUOTA_NAMED ? kafka_text_copy(request, name) : (struct base_bytes){0};
}

static bool tell_quota(struct kafka_request *request, const struct catalog_quota *quota,
                       struct codec_kafka_describe_client_quotas_response_entry *entry)
{
	entry->entity = kafka_request_alloc(request, 2, sizeof *entry->entity);
	if (!entry->entity)
		return false;
	entry->values = kafka_request_alloc(request, CATALOG_QUOTA_KEYS, sizeof *entry->values);
	if (!entry->values)
		return false;
	tell_part(request, "user", quota->entity.user_part, quota->entity.user, entry);
	tell_part(request, "client-id", quota->entity.client_part, quota->entity.client, entry);
	for (int key = 0; key < CATALOG_QUOTA_KEYS; key++) {
		if (!(quota->set & 1u << key))
			continue;
		entry->values[entry->values_count].key =
			kafka_text(catalog_quota_key_name((enum catalog_quota_key)key));
		entry->values[entry->values_count++].value = quota->values[key];
	}
	return true;
}

void kafka_describe_client_quotas(struct kafka_request *request, const void *message)
{
	const struct codec_kafka_describe_client_quotas_request *asked = message;
	const struct catalog *catalog = request->server->catalog;
	struct codec_kafka_describe_client_quotas_response response =
		codec_kafka_describe_client_quotas_response_default;
	response.entries = kafka_request_alloc(request, catalog_quota_count(catalog), sizeof *response.entries);
	if (!response.entries)
		return;
	for (size_t i = 0; i < catalog_quota_count(catalog); i++) {
		const struct catalog_quota *quota = catalog_quota_at(catalog, i);
		if (!matches(asked, &quota->entity))
			continue;
		if (!tell_quota(request, quota, &response.entries[response.entries_count++]))
			return;
	}
	kafka_request_reply(request, &response);
}

/* ---- AlterClientQuotas ---- */

struct quota_work;

struct quota_item {
	struct catalog_change change;
	struct quota_work *work;
	struct codec_kafka_alter_client_quotas_response_entry *answer;
};

struct quota_work {
	struct kafka_request *request;
	struct codec_kafka_alter_client_quotas_response response;
	size_t pending; /* changes under way, and 1 while they are being started */
	struct quota_item items[];
};

static void settle(struct quota_work *work)
{
	work->pending -= 1;
	if (work->pending == 0)
		kafka_request_reply(work->request, &work->response);
}

static void refuse(struct quota_item *item, int16_t error_code, const char *text)
{
	item->answer->error_code = error_code;
	item->answer->error_message = kafka_text_copy(item->work->request, text);
}

static void on_set(struct catalog_change *change)
{
	struct quota_item *item = BASE_CONTAINER(change, struct quota_item, change);
	if (change->result.code == PYR_BUSY)
		refuse(item, kafka_error_of(PYR_POLICY_VIOLATION), "there are as many quotas as there may be: 1000");
	else if (change->result.code != PYR_OK)
		refuse(item, kafka_error_of(change->result.code), pyr_code_text(change->result.code));
	settle(item->work);
}

static pyr_result read_part(struct base_bytes name, uint8_t *ret_part, char ret_name[CATALOG_NAME_MAX + 1],
                            struct pyr_error *error)
{
	if (*ret_part != CATALOG_QUOTA_ANY)
		return pyr_fail(error, PYR_INVALID_REQUEST, "an entity names a user once and a client id once");
	*ret_part = name.data ? CATALOG_QUOTA_NAMED : CATALOG_QUOTA_DEFAULT;
	if (name.bytes > CATALOG_NAME_MAX || (name.bytes > 0 && memchr(name.data, 0, name.bytes)))
		return pyr_fail(error, PYR_INVALID_REQUEST, "a name of more than %d bytes, or with a zero in it",
		                CATALOG_NAME_MAX);
	if (name.bytes > 0)
		memcpy(ret_name, name.data, name.bytes);
	return pyr_ok();
}

static pyr_result read_entity(const struct codec_kafka_alter_client_quotas_request_entry *asked,
                              struct catalog_quota_entity *ret_entity, struct pyr_error *error)
{
	for (size_t i = 0; i < asked->entity_count; i++) {
		const struct codec_kafka_alter_client_quotas_request_entity *part = &asked->entity[i];
		if (is_text(part->entity_type, "user"))
			PYR_TRY(read_part(part->entity_name, &ret_entity->user_part, ret_entity->user, error));
		else if (is_text(part->entity_type, "client-id"))
			PYR_TRY(read_part(part->entity_name, &ret_entity->client_part, ret_entity->client, error));
		else
			return pyr_fail(error, PYR_INVALID_REQUEST,
			                "quotas are of users and client ids; of %.*s there are none",
			                shown_bytes(part->entity_type), (const char *)part->entity_type.data);
	}
	if (ret_entity->user_part == CATALOG_QUOTA_ANY && ret_entity->client_part == CATALOG_QUOTA_ANY)
		return pyr_fail(error, PYR_INVALID_REQUEST, "an entity needs a user or a client id");
	return pyr_ok();
}

static pyr_result alter_value(struct catalog_quota *quota,
                              const struct codec_kafka_alter_client_quotas_request_operation *asked,
                              struct pyr_error *error)
{
	int key = 0;
	while (key < CATALOG_QUOTA_KEYS && !is_text(asked->key, catalog_quota_key_name((enum catalog_quota_key)key)))
		key += 1;
	if (key == CATALOG_QUOTA_KEYS)
		return pyr_fail(error, PYR_INVALID_REQUEST,
		                "%.*s is not supported: quotas are producer_byte_rate, consumer_byte_rate and "
		                "request_percentage",
		                shown_bytes(asked->key), (const char *)asked->key.data);
	if (!asked->remove && !(asked->value > 0 && asked->value < 1e18))
		return pyr_fail(error, PYR_INVALID_REQUEST, "a quota must be more than nothing");
	quota->values[key] = asked->remove ? 0 : asked->value;
	quota->set = asked->remove ? quota->set & ~(1u << key) : quota->set | 1u << key;
	return pyr_ok();
}

static pyr_result read_entry(struct quota_item *item, const struct codec_kafka_alter_client_quotas_request_entry *asked,
                             struct pyr_error *error)
{
	struct catalog_quota *quota = &item->change.quota;
	PYR_TRY(read_entity(asked, &quota->entity, error));
	const struct catalog_quota *now = catalog_quota_find(item->work->request->server->catalog, &quota->entity);
	if (now)
		*quota = *now;
	for (size_t i = 0; i < asked->operations_count; i++)
		PYR_TRY(alter_value(quota, &asked->operations[i], error));
	return pyr_ok();
}

/* The answer names the entity as the request did. */
static bool answer_entity(struct kafka_request *request,
                          const struct codec_kafka_alter_client_quotas_request_entry *asked,
                          struct codec_kafka_alter_client_quotas_response_entry *answer)
{
	answer->entity = kafka_request_alloc(request, asked->entity_count, sizeof *answer->entity);
	if (!answer->entity)
		return false;
	answer->entity_count = asked->entity_count;
	for (size_t i = 0; i < asked->entity_count; i++) {
		answer->entity[i].entity_type = asked->entity[i].entity_type;
		answer->entity[i].entity_name = asked->entity[i].entity_name;
	}
	return true;
}

static void alter_entry(struct quota_item *item, const struct codec_kafka_alter_client_quotas_request_entry *asked,
                        bool validate_only)
{
	struct kafka_request *request = item->work->request;
	struct catalog *catalog = request->server->catalog;
	struct pyr_error error = {0};
	if (catalog_authorize(catalog, &request->principal, CATALOG_ALTER, NULL).code != PYR_OK) {
		refuse(item, kafka_error_of(PYR_NOT_AUTHORIZED), pyr_code_text(PYR_NOT_AUTHORIZED));
		return;
	}
	pyr_result result = read_entry(item, asked, &error);
	if (result.code != PYR_OK) {
		refuse(item, kafka_error_of(result.code), error.text);
	} else if (!validate_only) {
		item->change.done = on_set;
		item->work->pending += 1;
		catalog_quota_set(catalog, &item->change);
	}
}

void kafka_alter_client_quotas(struct kafka_request *request, const void *message)
{
	const struct codec_kafka_alter_client_quotas_request *asked = message;
	size_t count = asked->entries_count;
	if (count > KAFKA_CHANGES_MAX) {
		kafka_request_fail(request, "it changes too many quotas at once");
		return;
	}
	struct codec_kafka_alter_client_quotas_response_entry *answers =
		kafka_request_alloc(request, count, sizeof *answers);
	if (!answers)
		return;
	for (size_t i = 0; i < count; i++)
		if (!answer_entity(request, &asked->entries[i], &answers[i]))
			return;
	struct quota_work *work = calloc(1, sizeof *work + count * sizeof work->items[0]);
	request->work = work;
	if (!work) {
		kafka_request_fail(request, "out of memory");
		return;
	}
	work->request = request;
	work->response.entries = answers;
	work->response.entries_count = count;
	work->pending = 1;
	for (size_t i = 0; i < count; i++) {
		work->items[i].work = work;
		work->items[i].answer = &answers[i];
		alter_entry(&work->items[i], &asked->entries[i], asked->validate_only);
	}
	settle(work);
}

/* ---- DescribeUserScramCredentials ---- */

void kafka_describe_scram(struct kafka_request *request, const void *message)
{
	const struct codec_kafka_describe_user_scram_credentials_request *asked = message;
	struct codec_kafka_describe_user_scram_credentials_response response =
		codec_kafka_describe_user_scram_credentials_response_default;
	response.results = kafka_request_alloc(request, asked->users_count, sizeof *response.results);
	if (!response.results)
		return;
	response.results_count = asked->users_count;
	for (size_t i = 0; i < asked->users_count; i++) {
		response.results[i].user = asked->users[i].name;
		response.results[i].error_code = KAFKA_RESOURCE_NOT_FOUND;
		response.results[i].error_message = kafka_text("there are no users yet");
	}
	kafka_request_reply(request, &response);
}
