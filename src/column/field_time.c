/* ISO 8601 dates and times (see field.h): 2013-01-01, 12:30, 2013-01-01T12:30:59.123456Z, with +02:00 or without.
 *
 * A moment without a zone is UTC. Source of the days: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms",
 * days_from_civil. Pure; any thread.
 */
#include "column/field.h"

static const int64_t day_us = (int64_t)86400 * 1000000;

struct text {
	const char *at, *end;
};

static bool take(struct text *text, char sign)
{
	bool there = text->at < text->end && *text->at == sign;
	text->at += there;
	return there;
}

static bool take_number(struct text *text, int digits, int *ret_number)
{
	*ret_number = 0;
	for (int i = 0; i < digits; i++, text->at++) {
		if (text->at == text->end || *text->at < '0' || *text->at > '9')
			return false;
		*ret_number = *ret_number * 10 + (*text->at - '0');
	}
	return true;
}

static int64_t days_of(int year, int month, int day)
{
	year -= month <= 2;
	int era = year / 400, of_era = year - era * 400;
	int of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	return (int64_t)era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool take_date(struct text *text, int64_t *ret_days)
{
	static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int year, month, day;
	if (!take_number(text, 4, &year) || !take(text, '-') || !take_number(text, 2, &month) || !take(text, '-') ||
	    !take_number(text, 2, &day))
		return false;
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	if (year < 1 || month < 1 || month > 12 || day < 1 || day > lengths[month - 1] + (month == 2 && leap))
		return false;
	*ret_days = days_of(year, month, day);
	return true;
}

/* Behind the point: more than six digits are cut. */
static bool take_fraction(struct text *text, int64_t *us)
{
	const char *from = text->at;
	for (int64_t unit = 100000; text->at < text->end && *text->at >= '0' && *text->at <= '9'; unit /= 10)
		*us += (*text->at++ - '0') * unit;
	return text->at > from;
}

static bool take_time(struct text *text, int64_t *ret_us)
{
	int hour, minute, second = 0;
	if (!take_number(text, 2, &hour) || !take(text, ':') || !take_number(text, 2, &minute))
		return false;
	if (take(text, ':') && !take_number(text, 2, &second))
		return false;
	if (hour > 24 || minute > 59 || second > 60)
		return false;
	*ret_us = ((int64_t)hour * 3600 + minute * 60 + second) * 1000000;
	return (!take(text, '.') || take_fraction(text, ret_us)) && *ret_us <= day_us;
}

/* Z, +02, +0200, +02:00, or nothing: what has to be taken off. */
static bool take_zone(struct text *text, int64_t *ret_us)
{
	int hour, minute = 0, sign;
	*ret_us = 0;
	if (text->at == text->end || take(text, 'Z') || take(text, 'z'))
		return true;
	sign = take(text, '+') ? 1 : take(text, '-') ? -1 : 0;
	if (sign == 0 || !take_number(text, 2, &hour))
		return false;
	if (text->at < text->end) {
		(void)take(text, ':');
		if (!take_number(text, 2, &minute))
			return false;
	}
	*ret_us = sign * ((int64_t)hour * 3600 + minute * 60) * 1000000;
	return hour <= 15 && minute <= 59;
}

bool column_time_parse(const char *at, size_t bytes, enum column_type type, int64_t *ret_value)
{
	struct text text = {at, at + bytes};
	int64_t days = 0, us = 0, zone = 0;
	if (type != COLUMN_TYPE_TIME && !take_date(&text, &days))
		return false;
	bool has_time = type == COLUMN_TYPE_TIME || take(&text, 'T') || take(&text, 't') || take(&text, ' ');
	if (has_time && !take_time(&text, &us))
		return false;
	(void)(has_time && take(&text, ' '));
	if (!take_zone(&text, &zone) || text.at != text.end)
		return false;
	/* A zone means something for a moment only; PostgreSQL passes over it elsewhere. */
	int64_t moment = days * day_us + us - (type == COLUMN_TYPE_TIMESTAMPTZ ? zone : 0);
	*ret_value = type == COLUMN_TYPE_DATE ? days : moment;
	return true;
}
