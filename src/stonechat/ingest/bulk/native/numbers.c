/* Numbers of JSON: those that are written exactly as the column holds them. */

#include "bulk.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A number that fits: value times ten to the -behind. */
struct digits {
    uint64_t value;
    uint32_t before; /* digits before the point */
    uint32_t behind; /* digits behind it */
    bool is_negative;
    bool has_point;
};

static const uint32_t MOST_DIGITS = 19; /* what every uint64_t has */
static const uint32_t LARGEST_POWER = 19;

/* Sign, digits, and a point with digits behind it; what has an exponent, or more digits, is refused. */
static bool read_digits(const uint8_t **at, struct digits *digits) {
    const uint8_t *here = *at;
    *digits = (struct digits){.is_negative = *here == '-'};
    here += digits->is_negative;
    const uint8_t *begin = here;
    for (; is_digit(*here) && here - begin < MOST_DIGITS; here++) digits->value = digits->value * 10 + (*here - '0');
    digits->before = (uint32_t)(here - begin);
    if (digits->before == 0 || (*begin == '0' && digits->before > 1)) return false;
    if (*here == '.') {
        const uint8_t *point = here++;
        digits->has_point = true;
        for (; is_digit(*here) && here - begin <= MOST_DIGITS; here++) digits->value = digits->value * 10 + (*here - '0');
        digits->behind = (uint32_t)(here - point - 1);
        if (digits->behind == 0) return false;
    }
    *at = here;
    return !is_digit(*here) && *here != '.' && (*here | 0x20) != 'e';
}

bool read_boolean(const uint8_t **at, struct output *output) {
    const uint8_t *here = *at;
    bool value = *here == 't';
    for (const char *word = value ? "true" : "false"; *word; word++)
        if (*here++ != (uint8_t)*word) return false;
    *at = here;
    return append_byte(output, value);
}

bool read_integer(const uint8_t **at, uint32_t width, bool is_signed, struct output *output) {
    struct digits digits;
    if (!read_digits(at, &digits) || digits.has_point) return false;
    uint64_t largest = UINT64_MAX >> (64 - 8 * width + is_signed);
    if (digits.is_negative && (!is_signed || digits.value == 0)) return false; /* the engine takes no text of -0 */
    if (digits.value > largest + (digits.is_negative && is_signed)) return false;
    return append_number(output, digits.is_negative ? 0 - digits.value : digits.value, width);
}

__extension__ typedef unsigned __int128 wide;

/* A decimal is an integer, so many times its smallest unit. In quotes or not: senders fear for their digits. */
bool read_decimal(const uint8_t **at, const struct column *column, struct output *output) {
    struct digits digits;
    bool is_quoted = **at == '"';
    *at += is_quoted;
    const uint8_t *first = *at;
    if (!read_digits(at, &digits) || (is_quoted && *(*at)++ != '"')) return false;
    if (digits.behind > column->scale || column->scale - digits.behind > LARGEST_POWER) return false;
    bool has_whole = first[digits.is_negative] != '0';
    if (has_whole && digits.before > (uint32_t)(column->digits - column->scale)) return false;
    wide value = digits.value;
    for (uint32_t behind = digits.behind; behind < column->scale; behind++) value *= 10;
    if (digits.is_negative) value = 0 - value;
    uint64_t sign = digits.is_negative && value != 0 ? UINT64_MAX : 0;
    uint64_t parts[] = {(uint64_t)value, (uint64_t)(value >> 64), sign, sign};
    for (uint32_t part = 0; part * 8 < column->width; part++) {
        uint32_t left = column->width - part * 8;
        if (!append_number(output, parts[part], left < 8 ? left : 8)) return false;
    }
    return true;
}

static bool append_float(struct output *output, double value) {
    float narrow = (float)value;
    uint32_t bits;
    memcpy(&bits, &narrow, sizeof bits);
    return append_number(output, bits, sizeof bits);
}

static bool append_double(struct output *output, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return append_number(output, bits, sizeof bits);
}

/* A float is the nearest to its text where both the digits and the power of ten are floats themselves, for then one
 * division rounds once. */
static bool divide(const struct digits *digits, uint32_t width, double *value) {
#if FLT_EVAL_METHOD == 0
    static const double POWERS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,
                                    1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19};
    static const uint32_t LARGEST_FLOAT_POWER = 10;
    if (digits->value > (uint64_t)1 << (width == 4 ? FLT_MANT_DIG : DBL_MANT_DIG)) return false;
    if (width == 4 && digits->behind > LARGEST_FLOAT_POWER) return false;
    double power = POWERS[digits->behind];
    *value = width == 4 ? (float)digits->value / (float)power : (double)digits->value / power;
    if (digits->is_negative) *value = -*value;
    return true;
#else
    (void)digits, (void)width, (void)value;
    return false;
#endif
}

/* Any other text, by the C library, which finds the nearest too. It would take more than numbers of JSON, and may
 * expect a comma for the point: so it has to end where they do. */
static bool convert(const uint8_t **at, uint32_t width, double *value) {
    static const ptrdiff_t LONGEST = 64;
    const char *begin = (const char *)*at;
    char *behind;
    if (!skip_number(at) || (const char *)*at - begin > LONGEST) return false;
    *value = strtod(begin, &behind);
    if (behind != (const char *)*at || !isfinite(*value)) return false;
    if (width != 4) return true;
    /* Rounded twice, it might be another. */
    return fabs(*value) <= FLT_MAX && (float)*value == strtof(begin, &behind);
}

bool read_float(const uint8_t **at, uint32_t width, struct output *output) {
    const uint8_t *begin = *at;
    struct digits digits;
    double value;
    if (!read_digits(at, &digits) || !divide(&digits, width, &value)) {
        *at = begin;
        if (!convert(at, width, &value)) return false;
    }
    if (*at - begin == 2 && begin[0] == '-' && begin[1] == '0') return false; /* read as an integer, it has no sign */
    return width == 4 ? append_float(output, value) : append_double(output, value);
}
