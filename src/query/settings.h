/* A session's settings: what SET changes and SHOW tells. Made for a session, read by the engine's threads too.
 *
 * The ones that clients ask for and set are in one table; names with a dot are the user's own. Setting one to a value
 * that can't be obeyed and would change results is refused. Any thread: a lock guards the values.
 */
#ifndef PYRALOG_QUERY_SETTINGS_H
#define PYRALOG_QUERY_SETTINGS_H

#include "query/error.h"

#include <stdbool.h>
#include <stdint.h>

enum { QUERY_SETTING_MAX = 1024 }; /* bytes of a value, with its end */

struct query_settings;

struct query_settings *query_settings_new(void); /* NULL: memory is out */
void query_settings_free(struct query_settings *settings); /* NULL is fine */

/* The name as PostgreSQL writes it ("TimeZone"); NULL: there is none such. Names with a dot are all there. */
const char *query_setting_name(const char *name);
/* False: there is none such, or it was never set. */
bool query_settings_get(struct query_settings *settings, const char *name, char ret_value[QUERY_SETTING_MAX]);
/* value NULL: the default. in_block: rolling the transaction back takes it back; local: so does committing.
 * 42704: no such setting; 0A000: fixed to another value; 22023: no value of it. */
pyr_result query_settings_set(struct query_settings *settings, const char *name, const char *value, bool local,
                              bool in_block, struct query_error *error);
void query_settings_reset(struct query_settings *settings);
void query_settings_end_block(struct query_settings *settings, bool committed);

/* The i-th of the table; false: there are no more. */
bool query_settings_at(struct query_settings *settings, size_t i, const char **ret_name,
                       char ret_value[QUERY_SETTING_MAX]);
uint64_t query_settings_timeout_us(struct query_settings *settings); /* of a statement; 0: none */

/* Rises with every change. */
uint64_t query_settings_version(const struct query_settings *settings);

/* Clients are told when one of these changes; NULL behind the last. */
extern const char *const query_settings_reported[];

#endif
