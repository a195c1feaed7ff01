/* Events in JSON, read into rows in ClickHouse's RowBinary.
 *
 * Everything here says yes or no: what it takes, it takes as the door's own reading does (../../strict.py, which
 * tests compare it with). What it does not know, it refuses, whole, and that reading judges.
 *
 * A body ends with a NUL byte that is not counted, as every bytes object of Python does. No token of JSON takes a NUL,
 * so whoever goes from byte to byte stops there and need not ask where the end is.
 */

#ifndef STONECHAT_BULK_H
#define STONECHAT_BULK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a column holds. Keep in step with plan.py. */
enum kind {
    KIND_STRING = 1,
    KIND_FIXED_STRING = 2,
    KIND_BOOLEAN = 3,
    KIND_SIGNED = 4,
    KIND_UNSIGNED = 5,
    KIND_FLOAT = 6,
    KIND_DATE = 7,
    KIND_DATE_TIME = 8,
    KIND_UUID = 9,
    KIND_DECIMAL = 10,
    KIND_ENUM = 11,
};

enum trait {
    TRAIT_NULLABLE = 1, /* its type is Nullable */
    TRAIT_DEFAULT = 2,  /* it has a DEFAULT */
    TRAIT_ARRAY = 4,    /* it holds arrays of the kind */
    TRAIT_ZONE = 8,     /* its times are in a zone of its own: they have to say how far from UTC they are */
};

/* A value of an enum. */
struct member {
    const uint8_t *name;
    uint32_t size;
    int32_t number;
};

struct column {
    const uint8_t *label; /* its name as the key of a line: in quotes, with the colon behind it */
    const struct member *members; /* of an enum, the shortest names first, those of one length in order */
    uint32_t label_size;
    uint32_t member_count;
    uint32_t width; /* bytes of a number, a date or a FixedString */
    uint8_t kind;
    uint8_t traits;
    uint8_t digits; /* of a decimal */
    uint8_t scale;  /* digits behind the point, of times and decimals */
};

/* The characters between two quotes, as they stand there. */
struct text {
    const uint8_t *begin;
    const uint8_t *end;
    bool has_escapes;
};

/* Where the rows go. `limit` bounds the size: small events may make large rows. */
struct output {
    uint8_t *data;
    size_t size;
    size_t capacity;
    size_t limit;
};

/* A value, read from *at on: moves *at behind it and appends to the output, or returns false. */
bool read_string(const uint8_t **at, const uint8_t *end, struct output *output);
bool read_fixed_string(const uint8_t **at, const uint8_t *end, uint32_t width, struct output *output);
bool read_uuid(const uint8_t **at, struct output *output);
bool read_boolean(const uint8_t **at, struct output *output);
bool read_integer(const uint8_t **at, uint32_t width, bool is_signed, struct output *output);
bool read_float(const uint8_t **at, uint32_t width, struct output *output);
bool read_date(const uint8_t **at, uint32_t width, struct output *output);
bool read_date_time(const uint8_t **at, const struct column *column, struct output *output);
bool read_decimal(const uint8_t **at, const struct column *column, struct output *output);
bool read_enum(const uint8_t **at, const uint8_t *end, const struct column *column, struct output *output);

/* The text of the string that *at is at: moves *at behind it. Its escapes may be none. */
bool find_text(const uint8_t **at, const uint8_t *end, struct text *text);
bool has_sound_escapes(const struct text *text);

/* Moves *at behind a word, or behind a value of any kind that nothing is read from. */
bool skip_word(const uint8_t **at, const char *word);
bool skip_value(const uint8_t **at, const uint8_t *end);
bool skip_number(const uint8_t **at);

/* Room for so many bytes at the end of the output, to be written before the next call; NULL if there is none. */
uint8_t *output_room(struct output *output, size_t bytes);

bool append_bytes(struct output *output, const void *bytes, size_t size);
bool append_byte(struct output *output, uint8_t byte);
/* The lowest `width` bytes of a number, the lowest first. */
bool append_number(struct output *output, uint64_t number, uint32_t width);

/* A length as RowBinary has it: seven bits a byte, the lowest first. */
size_t length_size(uint64_t length);
void write_length(uint8_t *to, uint64_t length);

/* White space within a line. */
static inline const uint8_t *skip_space(const uint8_t *at) {
    while (*at == ' ' || *at == '\t' || *at == '\r') at++;
    return at;
}

static inline bool is_digit(uint8_t byte) { return byte >= '0' && byte <= '9'; }

#endif
