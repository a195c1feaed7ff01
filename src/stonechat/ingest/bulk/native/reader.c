/* The lines of a body, one event each. */

#include "bulk.h"

#include <stdlib.h>
#include <string.h>

/* Where in the output the value of a column stands, and in which row. */
struct value {
    size_t begin;
    size_t size;
    uint64_t row;
    uint32_t follower; /* the column that came behind this one last */
};

struct reader {
    const struct column *columns;
    uint32_t count;
    bool marks_defaults; /* RowBinaryWithDefaults: a byte before each value */
    const uint8_t *end;
    struct output output;
    struct output spare;  /* for a row whose values have to change places */
    struct value *values; /* by column, and behind them what stands for the beginning of a row */
    uint64_t row;         /* the number of this row, from 1 on */
    uint32_t met;         /* how many columns this row has a value for so far */
    uint32_t last;        /* the column that was met last */
    bool in_order;        /* and whether they came in the order of the columns */
};

struct body {
    const uint8_t *text;
    size_t size;
    size_t longest_row;
    size_t most_bytes; /* that its rows may have */
};

struct rows {
    uint8_t *data;
    size_t size;
    uint64_t count;
};

/* White space within a line. */
static inline const uint8_t *skip_space(const uint8_t *at) {
    while (*at == ' ' || *at == '\t' || *at == '\r') at++;
    return at;
}

static bool read_scalar(struct reader *reader, const uint8_t **at, const struct column *column) {
    struct output *output = &reader->output;
    switch (column->kind) {
    case KIND_STRING: return read_string(at, reader->end, output);
    case KIND_FIXED_STRING: return read_fixed_string(at, reader->end, column->width, output);
    case KIND_BOOLEAN: return read_boolean(at, output);
    case KIND_SIGNED: return read_integer(at, column->width, true, output);
    case KIND_UNSIGNED: return read_integer(at, column->width, false, output);
    case KIND_FLOAT: return read_float(at, column->width, output);
    case KIND_DATE: return read_date(at, column->width, output);
    case KIND_DATE_TIME: return read_date_time(at, column->width, column->scale, output);
    case KIND_UUID: return read_uuid(at, output);
    default: return false;
    }
}

/* Puts the number of elements before them. */
static bool insert_length(struct output *output, size_t begin, uint64_t count) {
    size_t head = length_size(count), size = output->size - begin;
    if (output_room(output, head) == NULL) return false;
    uint8_t *elements = output->data + begin;
    memmove(elements + head, elements, size);
    write_length(elements, count);
    output->size += head;
    return true;
}

static bool read_array(struct reader *reader, const uint8_t **at, const struct column *column) {
    size_t begin = reader->output.size;
    uint64_t count = 0;
    if (*(*at)++ != '[') return false;
    *at = skip_space(*at);
    if (**at == ']') {
        (*at)++;
        return append_byte(&reader->output, 0);
    }
    for (uint8_t byte = ','; byte == ','; byte = *(*at)++) {
        *at = skip_space(*at);
        if (!read_scalar(reader, at, column)) return false;
        count++;
        *at = skip_space(*at);
        if (**at != ',' && **at != ']') return false;
    }
    return insert_length(&reader->output, begin, count);
}

/* What stands for null, or for a missing value. */
static bool write_null(struct reader *reader, uint8_t traits, bool is_missing) {
    if ((traits & TRAIT_DEFAULT) && (is_missing || !(traits & TRAIT_NULLABLE))) return append_byte(&reader->output, 1);
    if (!(traits & TRAIT_NULLABLE)) return false;
    return (!reader->marks_defaults || append_byte(&reader->output, 0)) && append_byte(&reader->output, 1);
}

static bool read_value(struct reader *reader, const uint8_t **at, const struct column *column) {
    const uint8_t *here = *at;
    if (here[0] == 'n') {
        if (here[1] != 'u' || here[2] != 'l' || here[3] != 'l') return false;
        *at += 4;
        return write_null(reader, column->traits, false);
    }
    if (reader->marks_defaults && !append_byte(&reader->output, 0)) return false;
    if ((column->traits & TRAIT_NULLABLE) && !append_byte(&reader->output, 0)) return false;
    return column->traits & TRAIT_ARRAY ? read_array(reader, at, column) : read_scalar(reader, at, column);
}

/* The column of the key that *at is behind the opening quote of. Senders repeat themselves: the first to be tried is the
 * one that came at this place before, then those behind it in turn. */
static bool find_column(struct reader *reader, const uint8_t **at, uint32_t *found) {
    uint32_t *follower = &reader->values[reader->last].follower, index = *follower;
    for (uint32_t tried = 0; tried < reader->count; tried++, index++) {
        if (index >= reader->count) index = 0;
        const struct column *column = &reader->columns[index];
        if ((size_t)(reader->end - *at) > column->key_size && (*at)[column->key_size] == '"' &&
            memcmp(*at, column->key, column->key_size) == 0) {
            *at += column->key_size + 1;
            *found = *follower = reader->last = index;
            return true;
        }
    }
    return false;
}

static bool read_member(struct reader *reader, const uint8_t **at) {
    uint32_t index;
    if (*(*at)++ != '"' || !find_column(reader, at, &index)) return false;
    struct value *value = &reader->values[index];
    if (value->row == reader->row) return false; /* the key comes again */
    *at = skip_space(*at);
    if (*(*at)++ != ':') return false;
    *at = skip_space(*at);
    reader->in_order = reader->in_order && index == reader->met;
    reader->met++;
    value->row = reader->row;
    value->begin = reader->output.size;
    if (!read_value(reader, at, &reader->columns[index])) return false;
    value->size = reader->output.size - value->begin;
    return true;
}

static bool read_object(struct reader *reader, const uint8_t **at) {
    if (*(*at)++ != '{') return false;
    *at = skip_space(*at);
    if (**at == '}') {
        (*at)++;
        return true;
    }
    for (uint8_t byte = ','; byte == ','; byte = *(*at)++) {
        *at = skip_space(*at);
        if (!read_member(reader, at)) return false;
        *at = skip_space(*at);
        if (**at != ',' && **at != '}') return false;
    }
    return true;
}

/* Writes the row that begins there again: each column in its place, and those without a value too. */
static bool arrange(struct reader *reader, size_t begin) {
    struct output *output = &reader->output, *spare = &reader->spare;
    spare->size = 0;
    if (!append_bytes(spare, output->data + begin, output->size - begin)) return false;
    output->size = begin;
    for (uint32_t index = 0; index < reader->count; index++) {
        const struct value *value = &reader->values[index];
        bool written = value->row == reader->row
                           ? append_bytes(output, spare->data + (value->begin - begin), value->size)
                           : write_null(reader, reader->columns[index].traits, true);
        if (!written) return false;
    }
    return true;
}

static bool read_row(struct reader *reader, const uint8_t **at) {
    size_t begin = reader->output.size;
    reader->row++;
    reader->met = 0;
    reader->last = reader->count;
    reader->in_order = true;
    if (!read_object(reader, at)) return false;
    return (reader->in_order && reader->met == reader->count) || arrange(reader, begin);
}

/* Every line is one event. Blank ones are left to others, who take them out: lines that are kept are all rows. */
static bool read_lines(struct reader *reader, const struct body *body) {
    const uint8_t *at = body->text;
    while (at < reader->end) {
        const uint8_t *line = at;
        at = skip_space(at);
        if (!read_row(reader, &at)) return false;
        at = skip_space(at);
        if ((size_t)(at - line) > body->longest_row) return false;
        if (at < reader->end && *at++ != '\n') return false;
    }
    return true;
}

static bool prepare(struct reader *reader, const struct body *body) {
    reader->output.limit = reader->spare.limit = body->most_bytes;
    reader->values = calloc((size_t)reader->count + 1, sizeof *reader->values);
    if (reader->values == NULL) return false;
    for (uint32_t index = 0; index < reader->count; index++) reader->values[index].follower = index + 1;
    return output_room(&reader->output, body->size / 2 + 1) != NULL;
}

/* Reads a body into rows of so many columns. Returns whether every event fits; the rows then go by `bulk_free`. */
__attribute__((visibility("default"))) bool bulk_read(const struct column *columns, uint32_t count, bool marks_defaults,
                                                      const struct body *body, struct rows *rows) {
    struct reader reader = {
        .columns = columns, .count = count, .marks_defaults = marks_defaults, .end = body->text + body->size};
    bool fits = prepare(&reader, body) && read_lines(&reader, body);
    free(reader.values);
    free(reader.spare.data);
    if (!fits) {
        free(reader.output.data);
        return false;
    }
    *rows = (struct rows){.data = reader.output.data, .size = reader.output.size, .count = reader.row};
    return true;
}

__attribute__((visibility("default"))) void bulk_free(void *data) { free(data); }
