/* Paths of JSON fields as a trie (see json.h).
 *
 * A node is a name or a place of an array; the paths that end at it hang on it. Nodes are in one block, made once.
 * Failure modes: a path that can't be read says where. Pure; any thread once made.
 */
#include "column/json_path.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { NONE = UINT16_MAX, NAME_BYTES_MAX = COLUMN_JSON_NAME_MAX };

struct column_json_node {
	uint16_t first_child, next; /* numbers; NONE */
	uint16_t first_path; /* that ends here */
	bool is_place;
	uint8_t bytes;
	uint32_t place;
	char name[NAME_BYTES_MAX + 1];
};

struct column_json_paths {
	size_t count, node_count, node_room;
	struct column_json_node *nodes; /* the first is the root */
	uint16_t next_path[COLUMN_JSON_PATHS_MAX]; /* that ends at the same node */
};

/* ---- one path ---- */

struct step {
	bool is_place;
	uint32_t place;
	size_t bytes;
	char name[NAME_BYTES_MAX + 1];
};

static bool read_place(const char **at, struct step *step)
{
	uint64_t place = 0;
	const char *from = ++*at;
	for (; **at >= '0' && **at <= '9' && *at - from < 8; *at += 1)
		place = place * 10 + (uint64_t)(**at - '0');
	if (*at == from || **at != ']')
		return false;
	*at += 1;
	*step = (struct step){.is_place = true, .place = (uint32_t)place};
	return true;
}

/* "a ""name""" with any signs, or what goes up to the next dot or bracket. */
static bool read_name(const char **at, struct step *step)
{
	bool quoted = **at == '"';
	*at += quoted;
	*step = (struct step){0};
	while (**at && (quoted ? **at != '"' || (*at)[1] == '"' : **at != '.' && **at != '[')) {
		*at += quoted && **at == '"';
		if (step->bytes == NAME_BYTES_MAX)
			return false;
		step->name[step->bytes++] = *(*at)++;
	}
	if (quoted && *(*at)++ != '"')
		return false;
	return quoted || step->bytes > 0;
}

/* False: it can't be read; *ret_any false: it is at its end. */
static bool next_step(const char *path, const char **at, struct step *step, bool *ret_any)
{
	*ret_any = **at != 0;
	if (!*ret_any)
		return true;
	if (**at == '[')
		return read_place(at, step);
	if (*at != path && *(*at)++ != '.')
		return false;
	return read_name(at, step);
}

static pyr_result fail_path(const char *path, struct pyr_error *error)
{
	return pyr_fail(error, PYR_SYNTAX,
	                "\"%.100s\" is no path of a JSON field: write names with dots between them, "
	                "places of arrays in brackets, other signs in double quotes: a.b[0].\"c d\"",
	                path);
}

pyr_result column_json_path_check(const char *path, struct pyr_error *error)
{
	const char *at = path;
	struct step step;
	bool any = true;
	int steps = 0;
	for (; any && steps <= COLUMN_JSON_STEPS_MAX; steps++)
		if (!next_step(path, &at, &step, &any))
			return fail_path(path, error);
	return path[0] && !any ? pyr_ok() : fail_path(path, error);
}

bool column_json_path_name(const char *path, const char **at, char ret_name[COLUMN_JSON_NAME_MAX + 1], bool *ret_any)
{
	struct step step;
	bool good = next_step(path, at, &step, ret_any);
	assert(good);
	if (*ret_any && !step.is_place)
		memcpy(ret_name, step.name, step.bytes + 1);
	return !*ret_any || !step.is_place;
}

/* ---- the trie ---- */

static bool equals(const struct column_json_node *node, const struct step *step)
{
	return node->is_place == step->is_place && node->place == step->place && node->bytes == step->bytes &&
	       memcmp(node->name, step->name, step->bytes) == 0;
}

/* The child for the step, made if it is not there; NONE: memory is out, or there are too many. */
static uint16_t descend(struct column_json_paths *paths, uint16_t parent, const struct step *step)
{
	for (uint16_t i = paths->nodes[parent].first_child; i != NONE; i = paths->nodes[i].next)
		if (equals(&paths->nodes[i], step))
			return i;
	if (paths->node_count == COLUMN_JSON_NODES_MAX)
		return NONE;
	if (paths->node_count == paths->node_room) {
		size_t room = paths->node_room * 2;
		struct column_json_node *nodes = realloc(paths->nodes, room * sizeof *nodes);
		if (!nodes)
			return NONE;
		paths->nodes = nodes;
		paths->node_room = room;
	}
	uint16_t number = (uint16_t)paths->node_count++;
	struct column_json_node *node = &paths->nodes[number];
	*node = (struct column_json_node){
		.first_child = NONE,
		.next = paths->nodes[parent].first_child,
		.first_path = NONE,
		.is_place = step->is_place,
		.bytes = (uint8_t)step->bytes,
		.place = step->place,
	};
	memcpy(node->name, step->name, step->bytes);
	paths->nodes[parent].first_child = number;
	return number;
}

static pyr_result add(struct column_json_paths *paths, size_t i, const char *path, struct pyr_error *error)
{
	const char *at = path;
	struct step step;
	bool any = true;
	uint16_t node = 0;
	PYR_TRY(column_json_path_check(path, error));
	while (next_step(path, &at, &step, &any) && any) {
		node = descend(paths, node, &step);
		if (node == NONE)
			return pyr_fail(error, PYR_OUT_OF_MEMORY, "the paths have too many parts");
	}
	paths->next_path[i] = paths->nodes[node].first_path;
	paths->nodes[node].first_path = (uint16_t)i;
	return pyr_ok();
}

pyr_result column_json_paths_new(const char *const *texts, size_t count, struct column_json_paths **ret_paths,
                                 struct pyr_error *error)
{
	assert(count <= COLUMN_JSON_PATHS_MAX);
	struct column_json_paths *paths = calloc(1, sizeof *paths);
	struct column_json_node *nodes = calloc(16, sizeof *nodes);
	if (!paths || !nodes) {
		free(paths);
		free(nodes);
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	}
	nodes[0] = (struct column_json_node){.first_child = NONE, .next = NONE, .first_path = NONE};
	*paths = (struct column_json_paths){.count = count, .node_count = 1, .node_room = 16, .nodes = nodes};
	for (size_t i = 0; i < count; i++) {
		pyr_result result = add(paths, i, texts[i], error);
		if (result.code != PYR_OK) {
			column_json_paths_free(paths);
			return result;
		}
	}
	*ret_paths = paths;
	return pyr_ok();
}

void column_json_paths_free(struct column_json_paths *paths)
{
	if (!paths)
		return;
	free(paths->nodes);
	free(paths);
}

size_t column_json_paths_count(const struct column_json_paths *paths)
{
	return paths->count;
}

/* ---- descending ---- */

const struct column_json_node *column_json_root(const struct column_json_paths *paths)
{
	return paths->nodes;
}

size_t column_json_node_count(const struct column_json_paths *paths)
{
	return paths->node_count;
}

size_t column_json_node_number(const struct column_json_paths *paths, const struct column_json_node *node)
{
	return (size_t)(node - paths->nodes);
}

static bool is_named(const struct column_json_node *node, const struct column_json *name)
{
	if (node->is_place)
		return false;
	if (!name->escaped)
		return node->bytes == name->text.bytes && memcmp(node->name, name->text.data, node->bytes) == 0;
	struct base_writer writer;
	base_writer_init(&writer, NAME_BYTES_MAX);
	bool same = column_json_unescape(name->text, &writer) && writer.bytes == node->bytes &&
	            (node->bytes == 0 || memcmp(writer.buffer->data, node->name, node->bytes) == 0);
	base_writer_deinit(&writer);
	return same;
}

const struct column_json_node *column_json_child_named(const struct column_json_paths *paths,
                                                       const struct column_json_node *node,
                                                       const struct column_json *name)
{
	for (uint16_t i = node->first_child; i != NONE; i = paths->nodes[i].next)
		if (is_named(&paths->nodes[i], name))
			return &paths->nodes[i];
	return NULL;
}

const struct column_json_node *column_json_child_at(const struct column_json_paths *paths,
                                                    const struct column_json_node *node, uint32_t place)
{
	for (uint16_t i = node->first_child; i != NONE; i = paths->nodes[i].next)
		if (paths->nodes[i].is_place && paths->nodes[i].place == place)
			return &paths->nodes[i];
	return NULL;
}

void column_json_node_found(const struct column_json_paths *paths, const struct column_json_node *node,
                            const struct column_json *value, struct column_json *found)
{
	for (uint16_t i = node->first_path; i != NONE; i = paths->next_path[i])
		found[i] = *value;
}
