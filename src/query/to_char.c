/* See to_char.h. One table of patterns serves writing and reading. */
#include "query/to_char.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                     "July",    "August",   "September", "October", "November", "December"};
static const char *const days[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

struct parts {
	int64_t year;
	int month, day, hour, minute, second;
	int us;
	int day_of_year, day_of_week; /* from 1; from 0, Sunday */
	int64_t julian;
	bool afternoon, has_afternoon;
};

enum pattern {
	YEAR4,
	YEAR2,
	ISO_YEAR,
	MONTH_NAME,
	MONTH_SHORT,
	MONTH,
	DAY_OF_YEAR,
	DAY_NAME,
	DAY_SHORT,
	DAY,
	DAY_OF_WEEK,
	HOUR24,
	HOUR12,
	MINUTE,
	SECOND,
	MILLI,
	MICRO,
	HALF,
	ZONE,
	QUARTER,
	WEEK,
	ISO_WEEK,
	JULIAN,
};

/* Longer ones first. */
static const struct {
	const char *text;
	enum pattern pattern;
	int digits; /* 0: no number */
} patterns[] = {
	{"YYYY", YEAR4, 4},      {"IYYY", ISO_YEAR, 4}, {"YY", YEAR2, 2},    {"MONTH", MONTH_NAME, 0},
	{"MON", MONTH_SHORT, 0}, {"MM", MONTH, 2},      {"MI", MINUTE, 2},   {"MS", MILLI, 3},
	{"DDD", DAY_OF_YEAR, 3}, {"DAY", DAY_NAME, 0},  {"DD", DAY, 2},      {"DY", DAY_SHORT, 0},
	{"D", DAY_OF_WEEK, 1},   {"HH24", HOUR24, 2},   {"HH12", HOUR12, 2}, {"HH", HOUR12, 2},
	{"SS", SECOND, 2},       {"US", MICRO, 6},      {"AM", HALF, 0},     {"PM", HALF, 0},
	{"TZ", ZONE, 0},         {"Q", QUARTER, 1},     {"WW", WEEK, 2},     {"IW", ISO_WEEK, 2},
	{"J", JULIAN, 1},
};

/* Index of the pattern at `format`, or -1. */
static int pattern_at(const char *format)
{
	for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
		if (strncasecmp(format, patterns[i].text, strlen(patterns[i].text)) == 0)
			return (int)i;
	return -1;
}

/* ---- the calendar (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms") ---- */

static int64_t days_of(int64_t year, int month, int day)
{
	year -= month <= 2;
	int64_t era = (year >= 0 ? year : year - 399) / 400, of_era = year - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void read_date(int64_t number, struct parts *parts)
{
	int64_t shifted = number + 719468, era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
	int64_t of_era = shifted - era * 146097;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100), march = (5 * of_year + 2) / 153;
	parts->day = (int)(of_year - (153 * march + 2) / 5 + 1);
	parts->month = (int)(march < 10 ? march + 3 : march - 9);
	parts->year = year + era * 400 + (parts->month <= 2);
	parts->day_of_year = (int)(number - days_of(parts->year, 1, 1)) + 1;
	parts->day_of_week = (int)(((number + 4) % 7 + 7) % 7);
	parts->julian = number + 2440588;
}

static struct parts parts_of(int64_t us)
{
	struct parts parts = {0};
	int64_t day_us = 86400000000, number = us / day_us - (us % day_us < 0), left = us - number * day_us;
	read_date(number, &parts);
	parts.us = (int)(left % 1000000);
	parts.second = (int)(left / 1000000 % 60);
	parts.minute = (int)(left / 60000000 % 60);
	parts.hour = (int)(left / 3600000000);
	return parts;
}

static void iso_week(const struct parts *parts, int64_t *ret_year, int *ret_week)
{
	int weekday = (parts->day_of_week + 6) % 7; /* from Monday */
	struct parts thursday = {0};
	read_date(days_of(parts->year, parts->month, parts->day) - weekday + 3, &thursday);
	*ret_year = thursday.year;
	*ret_week = (thursday.day_of_year - 1) / 7 + 1;
}

/* ---- writing times ---- */

static int64_t number_of(const struct parts *parts, enum pattern pattern)
{
	int64_t iso_year;
	int week;
	iso_week(parts, &iso_year, &week);
	switch (pattern) {
	case YEAR4:
		return parts->year;
	case YEAR2:
		return parts->year % 100;
	case ISO_YEAR:
		return iso_year;
	case MONTH:
		return parts->month;
	case DAY_OF_YEAR:
		return parts->day_of_year;
	case DAY:
		return parts->day;
	case DAY_OF_WEEK:
		return parts->day_of_week + 1;
	case HOUR24:
		return parts->hour;
	case HOUR12:
		return parts->hour % 12 == 0 ? 12 : parts->hour % 12;
	case MINUTE:
		return parts->minute;
	case SECOND:
		return parts->second;
	case MILLI:
		return parts->us / 1000;
	case MICRO:
		return parts->us;
	case QUARTER:
		return (parts->month - 1) / 3 + 1;
	case WEEK:
		return (parts->day_of_year - 1) / 7 + 1;
	case ISO_WEEK:
		return week;
	default:
		return parts->julian;
	}
}

/* MONTH, Month or month, as the template has it; padded to the longest name unless FM. */
static int write_name(char *room, size_t bytes, const char *name, const char *format, int width)
{
	int used = snprintf(room, bytes, "%-*s", width, name);
	for (int i = 0; i < used; i++) {
		bool upper = isupper((unsigned char)format[0]) && isupper((unsigned char)format[1]);
		room[i] = (char)(upper                               ? toupper((unsigned char)room[i])
		                 : isupper((unsigned char)format[0]) ? room[i]
		                                                     : tolower((unsigned char)room[i]));
	}
	return used;
}

static int write_pattern(char *room, size_t bytes, const struct parts *parts, int i, const char *format, bool fill,
                         bool zoned)
{
	char name[4];
	switch (patterns[i].pattern) {
	case MONTH_NAME:
		return write_name(room, bytes, months[parts->month - 1], format, fill ? 9 : 0);
	case MONTH_SHORT:
		snprintf(name, sizeof name, "%.3s", months[parts->month - 1]);
		return write_name(room, bytes, name, format, 0);
	case DAY_NAME:
		return write_name(room, bytes, days[parts->day_of_week], format, fill ? 9 : 0);
	case DAY_SHORT:
		snprintf(name, sizeof name, "%.3s", days[parts->day_of_week]);
		return write_name(room, bytes, name, format, 0);
	case HALF:
		return write_name(room, bytes, parts->hour < 12 ? "AM" : "PM", format, 0);
	case ZONE:
		return zoned ? write_name(room, bytes, "UTC", format, 0) : 0;
	default:
		return snprintf(room, bytes, "%0*lld", fill ? patterns[i].digits : 1,
		                (long long)number_of(parts, patterns[i].pattern));
	}
}

size_t query_time_format(int64_t us, const char *format, bool zoned, char room[QUERY_TO_CHAR_MAX])
{
	struct parts parts = parts_of(us);
	size_t used = 0;
	while (*format && used + 32 < QUERY_TO_CHAR_MAX) {
		bool fill = strncasecmp(format, "FM", 2) != 0;
		format += fill ? 0 : 2;
		int i = pattern_at(format);
		if (i >= 0) {
			used += (size_t)write_pattern(room + used, QUERY_TO_CHAR_MAX - used, &parts, i, format, fill,
			                              zoned);
			format += strlen(patterns[i].text);
		} else if (*format == '"') {
			for (format++; *format && *format != '"' && used + 32 < QUERY_TO_CHAR_MAX; format++)
				room[used++] = *format;
			format += *format == '"';
		} else if (*format) {
			room[used++] = *format++;
		}
	}
	room[used] = 0;
	return used;
}

/* ---- reading times ---- */

static bool read_name(const char **text, const char *const *names, int count, int letters, int *ret_number)
{
	for (int i = 0; i < count; i++) {
		size_t bytes = letters ? (size_t)letters : strlen(names[i]);
		if (strncasecmp(*text, names[i], bytes) != 0)
			continue;
		*text += bytes;
		*ret_number = i + 1;
		return true;
	}
	return false;
}

static bool read_number(const char **text, int digits, int *ret_number, int *ret_digits)
{
	int used = 0, number = 0;
	for (; used < digits && isdigit((unsigned char)**text); used++)
		number = number * 10 + (*(*text)++ - '0');
	*ret_number = number;
	*ret_digits = used;
	return used > 0;
}

static void take_number(struct parts *parts, enum pattern pattern, int number, int digits)
{
	switch (pattern) {
	case YEAR4:
		parts->year = number;
		break;
	case YEAR2:
		parts->year = number + (number < 70 ? 2000 : 1900);
		break;
	case MONTH:
		parts->month = number;
		break;
	case DAY:
		parts->day = number;
		break;
	case HOUR24:
	case HOUR12:
		parts->hour = number;
		break;
	case MINUTE:
		parts->minute = number;
		break;
	case SECOND:
		parts->second = number;
		break;
	case MILLI:
	case MICRO:
		for (; digits < 6; digits++)
			number *= 10;
		parts->us = number;
		break;
	default:
		break;
	}
}

static bool read_pattern(const char **text, int i, struct parts *parts)
{
	int number = 0, digits = 0;
	while (**text == ' ')
		*text += 1;
	switch (patterns[i].pattern) {
	case MONTH_NAME:
		return read_name(text, months, 12, 0, &parts->month);
	case MONTH_SHORT:
		return read_name(text, months, 12, 3, &parts->month);
	case DAY_NAME:
		return read_name(text, days, 7, 0, &number);
	case DAY_SHORT:
		return read_name(text, days, 7, 3, &number);
	case HALF:
		parts->has_afternoon = true;
		parts->afternoon = tolower((unsigned char)**text) == 'p';
		if ((*text)[0] == 0 || tolower((unsigned char)(*text)[1]) != 'm')
			return false;
		*text += 2;
		return true;
	default:
		if (!read_number(text, patterns[i].digits, &number, &digits))
			return false;
		take_number(parts, patterns[i].pattern, number, digits);
		return true;
	}
}

bool query_time_read(const char *text, const char *format, int64_t *ret_us)
{
	struct parts parts = {.year = 1, .month = 1, .day = 1};
	while (*format && *text) {
		format += strncasecmp(format, "FM", 2) == 0 ? 2 : 0;
		int i = pattern_at(format);
		if (i >= 0) {
			if (!read_pattern(&text, i, &parts))
				return false;
			format += strlen(patterns[i].text);
		} else {
			text += !isalnum((unsigned char)*text) || *text == *format;
			format += *format != 0;
		}
	}
	if (parts.has_afternoon)
		parts.hour = parts.hour % 12 + (parts.afternoon ? 12 : 0);
	if (parts.month < 1 || parts.month > 12 || parts.day < 1 || parts.day > 31 || parts.hour > 24 ||
	    parts.minute > 59 || parts.second > 59 || parts.year > 9999)
		return false;
	int64_t seconds = (days_of(parts.year, parts.month, parts.day) * 24 + parts.hour) * 3600;
	*ret_us = (seconds + parts.minute * 60 + parts.second) * 1000000 + parts.us;
	return true;
}

/* ---- numbers ---- */

struct shape {
	int before, after; /* places of digits */
	bool has_point, fill_mode, zero_seen;
	bool sign_first, minus_last;
};

static struct shape shape_of(const char *format)
{
	struct shape shape = {0};
	for (const char *at = format; *at; at++) {
		if (strncasecmp(at, "FM", 2) == 0)
			shape.fill_mode = true, at++;
		else if (strncasecmp(at, "MI", 2) == 0)
			shape.minus_last = true, at++;
		else if (*at == 'S' || *at == 's')
			shape.sign_first = true;
		else if (*at == '.' || *at == 'D' || *at == 'd')
			shape.has_point = true;
		else if (*at == '9' || *at == '0')
			*(shape.has_point ? &shape.after : &shape.before) += 1;
	}
	return shape;
}

/* Digits of |value|, zeros in front, with as many behind the point as the template has. False: there is no room. */
static bool write_digits(double value, const struct shape *shape, char *digits, size_t bytes)
{
	char text[400];
	snprintf(text, sizeof text, "%.*f", shape->after, fabs(value));
	size_t whole = strcspn(text, ".");
	bool is_zero = whole == 1 && text[0] == '0';
	if (!(fabs(value) < 1e300) || (int)whole > shape->before + (is_zero ? 1 : 0))
		return false;
	if (is_zero && shape->before == 0)
		return snprintf(digits, bytes, "%s", text + 2) >= 0;
	memset(digits, '0', (size_t)shape->before - whole);
	memcpy(digits + shape->before - whole, text, whole);
	snprintf(digits + shape->before, bytes - (size_t)shape->before, "%s", text[whole] ? text + whole + 1 : "");
	return true;
}

/* Behind the last digit that FM leaves behind the point: zeros at 9 go. */
static int shown_after(const char *format, const struct shape *shape, const char *digits)
{
	int last = shape->after, required = 0, place = 0;
	bool behind = false;
	for (; *format; format++) {
		behind |= *format == '.' || *format == 'D' || *format == 'd';
		if (behind && (*format == '9' || *format == '0'))
			place += 1;
		if (behind && *format == '0')
			required = place;
	}
	while (shape->fill_mode && last > required && digits[shape->before + last - 1] == '0')
		last -= 1;
	return last;
}

size_t query_number_format(double value, const char *format, char room[QUERY_TO_CHAR_MAX])
{
	struct shape shape = shape_of(format);
	char digits[QUERY_TO_CHAR_MAX + 400], body[QUERY_TO_CHAR_MAX];
	size_t used = 0, signs = 0;
	int place = 0;
	bool started = false, behind = false;
	if (strlen(format) > 100 || shape.before > 60 || shape.after > 60)
		return 0;
	bool fits = write_digits(value, &shape, digits, sizeof digits);
	int after = fits ? shown_after(format, &shape, digits) : shape.after;
	for (const char *at = format; *at && used + 2 < sizeof body; at++) {
		if (strncasecmp(at, "FM", 2) == 0 || strncasecmp(at, "MI", 2) == 0) {
			at++;
		} else if (*at == '9' || *at == '0') {
			char digit = fits ? digits[place] : '#';
			started |= !fits || behind || digit != '0' || *at == '0' ||
			           (place + 1 == shape.before && !shape.has_point);
			if (started && !(behind && place - shape.before >= after))
				body[used++] = digit;
			else if (!shape.fill_mode && !behind)
				body[used++] = ' ';
			place += 1;
		} else if (*at == '.' || *at == 'D' || *at == 'd') {
			behind = true;
			if (after > 0 || !shape.fill_mode)
				body[used++] = '.';
			else
				body[used++] = '.';
		} else if (*at == ',' || *at == 'G' || *at == 'g') {
			if (started || !shape.fill_mode)
				body[used++] = started ? ',' : ' ';
		} else if (*at != 'S' && *at != 's') {
			body[used++] = *at;
		}
	}
	bool negative = value < 0;
	if (shape.minus_last)
		return (size_t)snprintf(room, QUERY_TO_CHAR_MAX, "%.*s%s", (int)used, body,
		                        negative          ? "-"
		                        : shape.fill_mode ? ""
		                                          : " ");
	const char *sign = negative ? "-" : shape.sign_first ? "+" : shape.fill_mode ? "" : " ";
	while (signs < used && body[signs] == ' ')
		signs += 1; /* the sign stands before the first digit */
	return (size_t)snprintf(room, QUERY_TO_CHAR_MAX, "%.*s%s%.*s", (int)signs, body, sign, (int)(used - signs),
	                        body + signs);
}
