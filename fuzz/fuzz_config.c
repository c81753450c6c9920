/* cluster.toml with hostile bytes: whatever it holds, values lie in the text, or nothing is taken. */
#include "cli/config.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct cli_option options[] = {{"data", "DIR", "here", ""},
	                               {"kafka-port", "PORT", "1", ""},
	                               {"keep", NULL, "", ""},
	                               {NULL, NULL, NULL, NULL}};
	struct cli_config config = {NULL};
	struct pyr_error error = {0};
	pyr_result result = cli_config_parse(&config, "fuzz", (struct base_bytes){data, bytes}, options, &error);
	assert(result.code == PYR_OK || error.text[0]);
	for (size_t i = 0; i < 3; i++)
		assert(strlen(options[i].value) <= bytes + 4);
	cli_config_free(&config);
	return 0;
}
