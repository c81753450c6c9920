/* The text of Scarab IDs (see scarab.h). Invariant: every id has one text of upper-case digits, and parsing it gives the id. */
#include "coord/scarab.h"

enum { DIGIT_BITS = 5, NO_DIGIT = 32 };

static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void scarab_write(uint64_t id, char *ret_text)
{
	for (int i = SCARAB_TEXT_BYTES - 1; i >= 0; i--, id >>= DIGIT_BITS)
		ret_text[i] = digits[id & (NO_DIGIT - 1)];
}

static unsigned digit_of(uint8_t byte)
{
	unsigned upper = byte >= 'a' && byte <= 'z' ? byte - 'a' + 'A' : byte;
	upper = upper == 'I' || upper == 'L' ? '1' : upper == 'O' ? '0' : upper;
	for (unsigned i = 0; i < NO_DIGIT; i++)
		if ((unsigned char)digits[i] == upper)
			return i;
	return NO_DIGIT;
}

pyr_result scarab_parse(struct base_bytes text, uint64_t *ret_id, struct pyr_error *error)
{
	uint64_t id = 0;
	if (text.bytes != SCARAB_TEXT_BYTES)
		return pyr_fail(error, PYR_USAGE, "an id has %d characters, and this has %zu", SCARAB_TEXT_BYTES,
		                text.bytes);
	for (size_t i = 0; i < SCARAB_TEXT_BYTES; i++) {
		unsigned digit = digit_of(text.data[i]);
		if (digit == NO_DIGIT)
			return pyr_fail(error, PYR_USAGE,
			                "character %zu of the id is none of its digits: 0-9 and A-Z without I, L, O, U",
			                i + 1);
		if (i == 0 && digit >= NO_DIGIT / 2)
			return pyr_fail(error, PYR_USAGE,
			                "the id is too large: its first character is one of 0-9 and A-F");
		id = id << DIGIT_BITS | digit;
	}
	*ret_id = id;
	return pyr_ok();
}
