/* Bounds that leave nothing out. */
#include "column/scan.h"

struct column_bounds column_bounds_all(void)
{
	return (struct column_bounds){
		.offset_min = INT64_MIN,
		.offset_max = INT64_MAX,
		.timestamp_ms_min = INT64_MIN,
		.timestamp_ms_max = INT64_MAX,
		.partition_min = 0,
		.partition_max = INT32_MAX,
	};
}
