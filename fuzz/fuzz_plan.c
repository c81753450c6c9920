/* query/plan.h with any text: parsing within bounds, rewriting, bounds. There is one topic, t. What comes out of the
 * rewriting is one text that ends, and each bound belongs to a scan. */
#include "query/plan.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static pyr_result find(struct query_source *source, const struct catalog_principal *principal, const char *name,
                       struct query_topic *ret_topic, struct pyr_error *error)
{
	(void)source;
	(void)principal;
	if (strcmp(name, "t") != 0)
		return pyr_fail(error, PYR_UNKNOWN_PARTITION, "no topic");
	*ret_topic = (struct query_topic){.name = "t", .partition_count = 1};
	return pyr_ok();
}

static void plan_all(const struct query_parse *parse)
{
	static const struct query_source_ops ops = {.topic_find = find};
	static const struct catalog_principal principal = {.name = "anonymous"};
	static const uint32_t types[] = {QUERY_TYPE_INT8, QUERY_TYPE_UNKNOWN, QUERY_TYPE_TIMESTAMPTZ};
	struct query_source source = {&ops};
	struct query_plan_options options = {
		.source = &source,
		.principal = &principal,
		.handle = 1,
		.parameter_types = types,
		.parameter_type_count = 3,
		.numeric_scale = QUERY_NUMERIC_SCALE,
	};
	struct query_error error;
	struct query_plan *plan;
	for (size_t i = 0; i < query_parse_count(parse); i++) {
		if (query_plan_new(parse, i, &options, &plan, &error).code != PYR_OK) {
			assert(strlen(error.sqlstate) == QUERY_SQLSTATE_BYTES && error.message[0]);
			continue;
		}
		for (size_t bound = 0; bound < plan->bound_count; bound++)
			assert(plan->bounds[bound].scan < plan->scan_count && plan->bounds[bound].operand);
		assert(plan->tag);
		query_plan_free(plan);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct query_parse parse;
	struct query_error error;
	if (bytes > 4096)
		return 0;
	if (query_parse_init(&parse, (const char *)data, bytes, &error).code == PYR_OK)
		plan_all(&parse);
	query_parse_deinit(&parse);
	return 0;
}
